"""Presigned URLs of the HTTPS services, as boto3 makes them with temporary credentials."""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from infra.local.identity.conftest import Cloud


def test_a_presigned_url_of_a_guest_is_good_until_it_says(cloud: "Cloud") -> None:
    guest = cloud.iot_data(cloud.guest())
    guest.publish(topic="presigned", payload=b"x", retain=True)
    url = guest.generate_presigned_url(
        "get_retained_message", Params={"topic": "presigned"}, ExpiresIn=600
    )
    parts = urlsplit(url)
    assert "X-Amz-Security-Token=" in parts.query
    answer = cloud.request("GET", f"{parts.path}?{parts.query}", {}, b"")
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["topic"] == "presigned"
    with cloud.clock.moved(610):
        late = cloud.request("GET", f"{parts.path}?{parts.query}", {}, b"")
    assert late.status == 403
    assert json.loads(late.body)["message"].startswith("Signature expired: ")
