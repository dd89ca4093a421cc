"""Each place of settings, read by itself: where every value stands, whatever is wrong elsewhere."""

from bearerguard.configuration import readings
from bearerguard.sources import from_environment


def origins(reading):
    return {name: (given.key, given.source) for name, given in reading.given.items()}


def test_each_value_tells_its_name_and_its_source(tmp_path):
    file, secret = tmp_path / "config.toml", tmp_path / "secret"
    file.write_text('audience = "orders"\nleeway = "5s"\n')
    secret.write_text("x" * 32)
    environment = {
        "BEARERGUARD_CONFIG": str(file),
        "BEARERGUARD_ISSUER": "https://login.example.com",
        "BEARERGUARD_LEEWAY": "10s",
        "BEARERGUARD_SECRET_FILE": str(secret),
    }

    [(place, top)] = readings(from_environment(environment))

    assert place == ""
    assert origins(top) == {
        "config": ("BEARERGUARD_CONFIG", "environment"),
        "issuer": ("BEARERGUARD_ISSUER", "environment"),
        "leeway": ("BEARERGUARD_LEEWAY", "environment"),
        "secret": ("BEARERGUARD_SECRET_FILE", "environment"),
        "audience": ("audience", str(file)),
    }


def test_each_issuer_of_the_file_is_a_place_of_its_own(tmp_path):
    """And a bad value in one of them takes nothing from the others."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[[issuer]]\nissuer = "https://one.example"\nprofile = "nonsense"\n'
        '[[issuer]]\nissuer = "https://two.example"\naudience = "orders"\n'
    )

    top, one, two = readings(from_environment({"BEARERGUARD_CONFIG": str(file)}))

    assert [top[0], one[0], two[0]] == ["", f"{file} [[issuer]] 1", f"{file} [[issuer]] 2"]
    assert one[1].values == {"issuer": "https://one.example"}
    assert origins(two[1])["audience"] == ("audience", f"{file} [[issuer]] 2")
