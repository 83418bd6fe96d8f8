"""Breaks servers and kills processes while notifications are under way, and counts what arrived.

    make chaos                                              everything: each fault twenty times
    python -m benchmarks.chaos --faults 1,8 --rounds 3      two faults
    python -m benchmarks.chaos --short                      under a minute: what tests/test_chaos.py runs
    python -m benchmarks.chaos --machines 3                 processes spread over three machines; then the same register
                                                            on one machine, and what was told is compared

Everything is real: PostgreSQL with fsync on, a Redis-compatible server, `notifier` processes with settings from their
environment, a mail server and a Twilio of our own in processes of their own. Those two write down each message at the
moment they take it; what they wrote is compared with what the register says should have been told. One message for
each notification, party and channel: fewer is lost, more is doubled.

`mail`, `provider`   the two servers that take messages, faulty when told
`servers`            PostgreSQL and Redis that can be stopped, killed and started again
`office`             the folder, the register and what of it must be told
`crew`               the processes of the engine, started again by a supervisor as systemd would
`faults`             what can go wrong, each a function
`play`               rounds: a seeded schedule of faults, and the wait for the end
`arrived`, `report`  what came of it
`disk`               the embedded form on a disk that fills up
"""
