"""The part that decides: no network, no clock, no environment, no lock and no framework in here.

Start reading at :mod:`bearerguard.core.flow`.
"""
