"""What is kept between requests, beside the keys."""
