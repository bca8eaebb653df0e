"""Storms: many instances go at once, in an account with quotas, in virtual time where everything takes time.

    python -m bench.storm                           play them, judge them, and write their section of
                                                    docs/performance.md; an hour
    python -m bench.storm --only "500 by scale-in"  play one anew; the others stay as they were
    python -m bench.storm --half                    each at half of the assumed quotas, too
    python -m bench.storm --quick                   small ones, minutes; nothing is written

Nothing here is a promise of AWS: quotas are the published ones or assumed (stepdrain_sandbox.aws.quotas), and
what takes how long is in one table (stepdrain_sandbox.aws.durations). What is measured is whether the
installation gets along with them, and what they force.
"""
