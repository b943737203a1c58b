"""A guest is the same guest after a reload."""

from playwright.sync_api import Request

from end_to_end.followers import Follower


def test_a_guest_keeps_its_identity_over_a_reload(follower: Follower) -> None:
    made: list[str] = []

    def note(request: Request) -> None:
        if request.headers.get("x-amz-target", "").endswith(".GetId"):
            made.append(request.url)

    follower.page.on("request", note)
    follower.open()
    follower.wait_for_status("live")
    kept = follower.page.evaluate("({...localStorage})")
    assert len(made) == 1
    assert [name.split(":")[:2] for name in kept] == [["bellwire", "identity"]]
    follower.reload()
    follower.wait_for_status("live")
    assert follower.page.evaluate("({...localStorage})") == kept
    assert len(made) == 1
