"""What an AWS account answers of stacks and queues, on a port of this machine.

CloudFormation is the answers that a test gives, in the form of AWS's API reference; SQS is moto.
The rest of AWS is the stand-in's.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import boto3
import requests
from moto import mock_aws

REGION = "us-east-1"
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[\w-]+/([\w-]+)/aws4_request")

FOUND = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>{name}</StackName>
<StackId>arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/1</StackId>
<CreationTime>2026-11-23T10:00:00.000Z</CreationTime><StackStatus>{status}</StackStatus>
<StackStatusReason>{reason}</StackStatusReason><Outputs>{outputs}</Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
OUTPUT = "<member><OutputKey>{}</OutputKey><OutputValue>{}</OutputValue></member>"
REFUSED = """<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""


@dataclass
class Account:
    """The account; a test changes what it answers."""

    url: str
    outputs: dict[str, str] = field(default_factory=dict)
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    refusal: tuple[str, str] | None = None
    sqs: Any = None

    def describe(self, name: str) -> tuple[int, str]:
        """Answer DescribeStacks of the stack `push`, and of no other."""
        if self.refusal is not None:
            code, message = self.refusal
            return 403, REFUSED.format(code=code, message=escape(message))
        if name != "push":
            message = f"Stack with id {name} does not exist"
            return 400, REFUSED.format(code="ValidationError", message=message)
        outputs = "".join(OUTPUT.format(key, escape(text)) for key, text in self.outputs.items())
        return 200, FOUND.format(name=name, status=self.status, reason=self.reason, outputs=outputs)


@contextmanager
def running_account() -> Iterator[Account]:
    """Run the account; nothing leaves this machine, moto answers in the place of AWS."""
    with mock_aws():
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        account = Account(f"http://127.0.0.1:{server.server_port}")
        account.sqs = boto3.client("sqs", region_name=REGION)
        _Handler.account = account
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield account
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    account: Account

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        found = _SERVICE.search(self.headers.get("authorization", ""))
        service = "" if found is None else found[1]
        if service == "cloudformation":
            status, text = self.account.describe(parse_qs(body.decode())["StackName"][0])
            self._answer(status, "text/xml", text.encode())
        else:
            self._ask_moto(service, body)

    def _ask_moto(self, service: str, body: bytes) -> None:
        headers: Mapping[str, str] = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length", "connection")
        }
        url = f"https://{service}.{REGION}.amazonaws.com/"
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        kind = answer.headers.get("content-type", "application/x-amz-json-1.0")
        self._answer(answer.status_code, kind, answer.content)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
