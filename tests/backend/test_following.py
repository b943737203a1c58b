"""When a follower polls: rules R5 to R7 as literals."""

from bellwire.following import Schedule, after_answer, after_envelope, after_subscription


def test_a_subscription_is_followed_by_a_poll_at_once_and_two_later() -> None:
    schedule = after_subscription(100.0)
    assert schedule.next_poll_at == 100.0
    second = after_answer(schedule, 100.1, wants_catch_up=False, luck=0.5)
    assert second.next_poll_at == 103.0
    third = after_answer(second, 103.1, wants_catch_up=False, luck=0.5)
    assert third.next_poll_at == 108.0
    quiet = after_answer(third, 108.1, wants_catch_up=False, luck=0.5)
    assert quiet.next_poll_at == 128.1


def test_the_quiet_check_is_put_off_by_every_envelope() -> None:
    schedule = Schedule(0.0)
    assert after_envelope(schedule, 50.0, wants_catch_up=False, luck=0.0).next_poll_at == 65.0
    assert after_envelope(schedule, 50.0, wants_catch_up=False, luck=1.0).next_poll_at == 75.0


def test_an_envelope_does_not_put_off_what_is_due_after_a_subscription() -> None:
    schedule = after_answer(after_subscription(100.0), 100.1, wants_catch_up=False, luck=0.0)
    assert after_envelope(schedule, 101.0, wants_catch_up=False, luck=0.0).next_poll_at == 103.0


def test_a_gap_is_held_for_a_moment_and_asked_for_once() -> None:
    gap = after_envelope(Schedule(99.0), 10.0, wants_catch_up=True, luck=1.0)
    assert gap.next_poll_at == 10.5
    assert after_envelope(gap, 10.4, wants_catch_up=True, luck=0.0).next_poll_at == 10.5
    filled = after_envelope(gap, 10.4, wants_catch_up=False, luck=0.5)
    assert filled.next_poll_at == 30.4


def test_another_epoch_is_not_waited_for() -> None:
    schedule = Schedule(99.0)
    for luck, expected in ((0.0, 10.0), (1.0, 10.25)):
        gap = after_envelope(schedule, 10.0, wants_catch_up=True, luck=luck, is_epoch_new=True)
        assert gap.next_poll_at == expected


def test_what_is_still_missing_is_asked_for_ever_less_often() -> None:
    schedule, waits, now = Schedule(0.0), list[float](), 0.0
    for _ in range(6):
        schedule = after_answer(schedule, now, wants_catch_up=True, luck=0.0)
        waits.append(schedule.next_poll_at - now)
        now = schedule.next_poll_at
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert after_answer(schedule, now, wants_catch_up=False, luck=0.5).backoff_s == 1.0
