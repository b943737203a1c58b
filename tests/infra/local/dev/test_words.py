"""The words of `bellwire dev` that cannot be, before anything is started."""

import pytest

from bellwire.cli import main


def test_a_port_for_tls_without_tls_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "--iot-tls-port", "8443"]) == 2
    expected = "bellwire: --iot-tls-port is for --tls, which is not there; expected both\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_address_is_refused(capsys: pytest.CaptureFixture[str], host: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dev", "--host", host])
    assert ended.value.code == 2
    assert "--host: expected an address such as 127.0.0.1, found none" in capsys.readouterr().err
