"""The patterns of eKuiper's security advisories, tried on a server: each is refused, and leaves no trace.

- SQL injection through names, remote write and traversal through archives, deletion of foreign files by a plugin's name, server-side
  request forgery through package URLs: here, for plugins and services
- traversal through names of uploads, SQL injection through names of everything else, reading of local files, scripts in answers, and
  documents that are made to use up memory: below
"""

from __future__ import annotations

import io
import json
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from e2e.harness import Server, empty, wait_until
from unit.resources.archives import packed, portable, service

KINDS = ("/plugins/portables", "/plugins/sources", "/plugins/sinks", "/plugins/functions", "/services")
TRAVERSALS = ("../evil.py", "../../evil.py", "/tmp/plutino-evil.py", "lib/../../evil.py", "..\\evil.py", "C:\\evil.py", "C:/evil.py")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of this page; none of them changes anything."""
    server = Server(tmp_path_factory.mktemp("advisories") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(started: Server) -> Server:
    """A server that answers on loopback, so that files may be named, with nothing else allowed; emptied."""
    empty(started)
    return started


def everything(server: Server) -> set[str]:
    """All files of the server and beside it, but for the packages of the tests."""
    folder = server.data.parent
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "catalog.db-" not in path.name}


def create(server: Server, path: str, name: str, file: str) -> tuple[int, str]:
    answer = server.request("POST", path, json={"name": name, "file": file})
    return answer.status_code, answer.text


def names(server: Server, path: str) -> list[object]:
    found: list[object] = server.request("GET", path).json()
    return found


class _Inside(BaseHTTPRequestHandler):
    """A service in the internal network that counts who comes."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/redirect.zip":
            self.send_response(302)
            self.send_header("location", "/secret.zip")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"secret")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def inside() -> Iterator[tuple[int, list[str]]]:
    """Port and visits of an internal service."""
    asked: list[str] = []
    handler = type("Handler", (_Inside,), {"asked": asked})
    listener = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield listener.server_address[1], asked
    listener.shutdown()
    listener.server_close()
    thread.join()


@pytest.mark.parametrize("path", KINDS)
def test_archives_do_not_write_outside(server: Server, tmp_path: Path, path: str) -> None:
    """An entry that leaves its directory refuses the whole archive, before anything is written (zip traversal, remote write)."""
    before = everything(server)
    for number, entry in enumerate(TRAVERSALS):
        files = {**portable("evil"), **service(), "evil.json": portable("evil")["evil.json"], entry: "print('evil')"}
        status, text = create(server, path, "evil", packed(tmp_path / f"{number}.zip", files))
        assert status == 400, entry
        assert "zip entry" in text
    assert everything(server) == before
    assert not Path("/tmp/plutino-evil.py").exists()
    assert names(server, path) == []


@pytest.mark.parametrize("path", KINDS)
def test_archives_do_not_plant_links(server: Server, tmp_path: Path, path: str) -> None:
    """A link inside of an archive is refused: a later entry could be written through it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("lib")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("evil.json", json.dumps({"interfaces": {}}))
    package = tmp_path / "evil.zip"
    package.write_bytes(buffer.getvalue())
    status, text = create(server, path, "evil", f"file://{package}")
    assert status == 400
    assert "a link or special file" in text
    assert names(server, path) == []


@pytest.mark.parametrize("path", KINDS)
def test_bombs_are_not_unpacked(server: Server, tmp_path: Path, path: str) -> None:
    """A small archive that unpacks to a lot is refused by what its directory says."""
    package = packed(tmp_path / "bomb.zip", {**portable("evil"), "zeros": bytes(64 << 20)})
    status, text = create(server, path, "evil", package)
    assert status == 400
    assert "at most 200 times" in text


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize(
    "name", ["..", "../..", "../catalog.db", "%2e%2e", ".", "*", "a' OR '1'='1", "x'; DROP TABLE definitions; --", "a\0b"]
)
def test_names_delete_nothing_else(server: Server, tmp_path: Path, path: str, name: str) -> None:
    """A name that means another directory, or another statement, deletes nothing (deletion by plugin name, SQL injection)."""
    witness = tmp_path / "witness.txt"
    witness.write_text("here")
    create(server, "/services", "math", packed(tmp_path / "math.zip", service()))
    before = everything(server)
    answer = server.request("DELETE", f"{path}/{quote(name, safe='')}")
    assert answer.status_code in (301, 400, 404, 405)
    assert everything(server) == before
    assert names(server, "/services") == ["math"]


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("name", ["../evil", "..", "a/b", "a'; DROP TABLE definitions; --", 'a" OR 1=1', "a b", "%", "_' --"])
def test_names_create_nothing_elsewhere(server: Server, tmp_path: Path, path: str, name: str) -> None:
    """Nor can an object have such a name, neither by request nor by document."""
    package = packed(tmp_path / "evil.zip", portable("evil"))
    before = everything(server)
    status, _ = create(server, path, name, package)
    assert status == 400
    for section in ("portablePlugins", "nativePlugins", "Service"):
        key = f"functions_{name}" if section == "nativePlugins" else name
        content = json.dumps({section: {key: json.dumps({"name": name, "file": package})}})
        assert server.request("POST", "/data/import", json={"content": content}).status_code == 400
    assert everything(server) == before
    assert server.request("GET", "/services").status_code == 200


@pytest.mark.parametrize("path", KINDS)
def test_packages_do_not_come_from_inside(server: Server, path: str, inside: tuple[int, list[str]]) -> None:
    """Downloads go to no address of this machine or its networks, however it is written, and say so (SSRF)."""
    port, asked = inside
    hosts = (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"2130706433:{port}", f"0x7f000001:{port}", f"127.1:{port}")
    hosts += (f"0.0.0.0:{port}", f"[::ffff:127.0.0.1]:{port}", "169.254.169.254", "10.0.0.1", "192.168.1.1", f"user@127.0.0.1:{port}")
    for host in hosts:
        for file in ("secret.zip", "redirect.zip"):
            status, text = create(server, path, "evil", f"http://{host}/{file}")
            assert status == 400, host
            assert "secret" not in text.replace("secret.zip", "")
    assert asked == []
    assert names(server, path) == []


@pytest.mark.parametrize("path", KINDS)
def test_other_schemes_are_no_way_out(server: Server, path: str) -> None:
    """Only what the reference names can be fetched."""
    for url in ("ftp://h/a.zip", "gopher://h/a.zip", "dict://h/a.zip", "jar:file:///a.zip", "//h/a.zip", "a.zip", "file:a.zip\r\nx", ""):
        assert create(server, path, "evil", url)[0] == 400, url
    assert names(server, path) == []


def test_files_follow_the_setting(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """With external files forbidden, only packages among the uploads may be named, links and dots included."""
    server = new_server("--no-external-files")
    outside = packed(tmp_path / "outside.zip", portable("adder"))
    uploads = server.data / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "link.zip").symlink_to(tmp_path / "outside.zip")
    for url in (
        outside,
        f"file://{uploads}/../../outside.zip",
        f"file://{uploads}/link.zip",
        f"file://{uploads}/%2e%2e/%2e%2e/outside.zip",
    ):
        status, text = create(server, "/plugins/portables", "adder", url)
        assert status == 400, url
        assert "file access denied: path must be under" in text
    allowed = packed(uploads / "adder.zip", portable("adder"))
    assert create(server, "/plugins/portables", "adder", allowed)[0] == 201


def test_installation_scripts_do_not_run(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """A package with a shell script is refused, unless the server was told to trust packages."""
    script = f"touch {tmp_path}/ran\n"
    package = packed(tmp_path / "adder.zip", {**portable("adder"), "install.sh": script})
    server = new_server()
    status, text = create(server, "/plugins/portables", "adder", package)
    assert status == 400
    assert "install.sh is not run by this server" in text
    assert not (tmp_path / "ran").exists()
    trusting = new_server("--allow-install-scripts")
    assert create(trusting, "/plugins/portables", "adder", package)[0] == 201
    wait_until((tmp_path / "ran").exists, 10, "it ran")


UPLOADS = ("../evil", "/tmp/plutino-evil", "a/../../evil", "..", "a/..", ".", "evil\x00.txt", ".plutino-x", "n" * 300)


@pytest.mark.parametrize("name", UPLOADS)
def test_uploads_stay_in_their_directory(server: Server, name: str) -> None:
    """By JSON, by form and by document; nor can something else be deleted by such a name (upload traversal)."""
    before = visible(server)
    assert server.request("POST", "/config/uploads", json={"name": name, "content": "evil"}).status_code == 400
    entry = json.dumps({"uploads": {name: json.dumps({"name": name, "content": "evil"})}})
    assert server.request("POST", "/data/import", json={"content": entry}).status_code == 400
    if "\x00" not in name:
        # Of a form only the last part of the name counts, as browsers send it.
        form = f'--b\r\nContent-Disposition: form-data; name="uploadFile"; filename="{name}"\r\n\r\nevil\r\n--b--\r\n'
        server.request("POST", "/config/uploads", data=form.encode(), headers={"content-type": "multipart/form-data; boundary=b"})
        kept = visible(server) - before
        assert kept <= {f"data/uploads/{name.rpartition('/')[2]}"}
        for path in kept:
            server.request("DELETE", f"/config/uploads/{quote(path.rpartition('/')[2], safe='')}")
    server.request("DELETE", f"/config/uploads/{quote('../catalog.db', safe='')}")
    assert visible(server) == before
    assert not Path("/tmp/plutino-evil").exists()


def visible(server: Server) -> set[str]:
    """All files but those that are named by their content."""
    return {path for path in everything(server) if "/blobs/" not in path}


INJECTIONS = ("x' OR '1'='1", "x'; DROP TABLE definitions; --", 'x" UNION SELECT * FROM state --', "%", "_", "x%27--")
READERS = (
    "/rules/{}",
    "/rules/{}/status",
    "/streams/{}",
    "/tables/{}",
    "/schemas/protobuf/{}",
    "/udf/javascript/{}",
    "/services/{}",
    "/connections/{}",
    "/metadata/sources/yaml/{}",
    "/data/revisions/{}",
    "/async/task/{}",
)


@pytest.mark.parametrize("name", INJECTIONS)
def test_names_are_no_statements(server: Server, name: str) -> None:
    """No name changes or reveals what the catalog holds, whatever is done with it (SQL injection)."""
    document = {
        "streams": {"kept": 'CREATE STREAM kept () WITH (TYPE="memory", DATASOURCE="a")'},
        "sourceConfig": {"mqtt": json.dumps({"kept": {"server": "tcp://a:1"}})},
    }
    server.request("POST", "/data/import", json={"content": json.dumps(document)})
    before = server.request("GET", "/data/export").text
    for path in READERS:
        answer = server.request("GET", path.format(quote(name, safe="")))
        assert answer.status_code in (200, 400, 404), path
        assert "tcp://a:1" not in answer.text, path
        assert "sqlite" not in answer.text.lower(), path
        assert server.request("DELETE", path.format(quote(name, safe=""))).status_code in (200, 400, 404, 405), path
    server.request("POST", f"/rules/{quote(name, safe='')}/start")
    server.request("PUT", f"/metadata/sources/mqtt/confKeys/{quote(name, safe='')}", json={"server": "tcp://b:1"})
    server.request("DELETE", f"/metadata/sources/mqtt/confKeys/{quote(name, safe='')}")
    server.request("POST", "/rules", json={"id": name, "sql": "SELECT * FROM kept", "actions": [{"nop": {}}]})
    server.request("DELETE", f"/rules/{quote(name, safe='')}")
    server.request("POST", "/data/export", json=[name])
    after = json.loads(server.request("GET", "/data/export").text)
    assert {section: after[section] for section in document} == {section: json.loads(before)[section] for section in document}


def test_local_files_are_not_given_away(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """Where external files are forbidden, no document, reference or source reaches one outside of the uploads (local file reading)."""
    server = new_server("--no-external-files")
    secret = tmp_path / "outside.json"
    secret.write_text('{"streams": {}, "hidden": "very-secret-content"}')
    urls = [f"file://{secret}", "file:///etc/passwd", f"file://{server.data}/uploads/../catalog.db", f"file://localhost{secret}"]
    for url in urls:
        for path in ("/data/import", "/ruleset/import", "/v2/data/import"):
            answer = server.request("POST", path, json={"file": url})
            assert (answer.status_code, "access denied" in answer.text) == (400, True), (path, url)
        assert "access denied" in server.request("POST", "/config/uploads", json={"name": "x", "file": url}).text
    server.request("POST", "/streams", json={"sql": 'CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="a")'})
    rule = {"id": "r", "sql": "SELECT * FROM s", "actions": [{"mqtt": {"server": "tcp://127.0.0.1:1", "topic": f"${{file:{secret}}}"}}]}
    server.request("POST", "/rules", json=rule)
    assert "access denied" in server.request("GET", "/rules/r/status").text
    source = f'CREATE STREAM f () WITH (TYPE="file", DATASOURCE="{secret}", FORMAT="json")'
    server.request("POST", "/streams", json={"sql": source})
    reading = server.request("POST", "/rules", json={"id": "f", "sql": "SELECT * FROM f", "actions": [{"nop": {}}]})
    assert "access denied" in reading.text + server.request("GET", "/rules/f/status").text
    assert "very-secret-content" not in server.log_tail(1 << 20)


SCRIPT = "<script>alert(1)</script>"


def test_answers_are_no_web_pages(server: Server) -> None:
    """What a name or text says is sent as text or JSON, which no browser runs (stored scripts)."""
    requests = (
        ("POST", "/streams", {"sql": f'CREATE STREAM `{SCRIPT}` () WITH (TYPE="memory", DATASOURCE="a")'}),
        ("POST", "/streams", {"sql": SCRIPT}),
        ("POST", "/rules", {"id": SCRIPT, "sql": "SELECT", "actions": []}),
        ("POST", "/data/import", {"content": SCRIPT}),
        ("GET", f"/rules/{quote(SCRIPT, safe='')}", None),
        ("GET", f"/nosuch/{quote(SCRIPT, safe='')}", None),
        ("GET", "/streams", None),
    )
    for method, path, body in requests:
        answer = server.request(method, path, json=body)
        assert "html" not in answer.headers.get("content-type", ""), path
        assert answer.headers["x-content-type-options"] == "nosniff", path


def bomb(levels: int) -> str:
    """YAML that stands for ten to the power of ``levels`` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "rules:\n  r:\n" + "\n".join(f"    {line}" for line in lines)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v2/data/import", bomb(9)),
        ("/v2/data/import", "rules: " + "[" * 5000),
        ("/v2/data/import", "rules: {r: " + "{a: " * 500 + "1" + "}" * 501 + "}"),
        ("/data/import", '{"rules": ' + '{"a":' * 100_000 + "1" + "}" * 100_001),
        ("/data/import", json.dumps({"rules": {"r": '{"id":"r","sql":"SELECT 1","actions":' + "[" * 5000 + "]" * 5000 + "}"}})),
        ("/data/import", json.dumps({"sourceConfig": {"mqtt": '{"k":{"a":' + "[" * 200 + "]" * 200 + "}}"}})),
        ("/ruleset/import", json.dumps({"rules": {"r": "[" * 100_000}})),
    ],
)
def test_documents_do_not_use_up_the_server(server: Server, path: str, content: str) -> None:
    """Aliases that multiply and nesting without end are refused at once, and the server goes on."""
    answer = server.request("POST", path, json={"content": content})
    assert answer.status_code == 400
    assert len(answer.content) < 1 << 20
    assert server.request("GET", "/ping").status_code == 200


def test_limits_can_be_set(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """Of requests, documents, downloads and archives, by option and by variable."""
    server = new_server(
        "--limit", "body=100k", "--limit", "depth=5", "--limit", "entries=3", "--limit", "download=1k", "--limit", "document=2k"
    )
    assert server.request("POST", "/data/import", data=b"x" * (101 << 10)).status_code == 413
    many = {"streams": {f"s{n}": "x" for n in range(4)}}
    assert "4 objects; at most 3" in server.request("POST", "/data/import", json={"content": json.dumps(many)}).text
    deep = {"sourceConfig": {"mqtt": json.dumps({"k": {"a": [[[[[[1]]]]]]}})}}
    assert "more than 5 levels deep" in server.request("POST", "/data/import", json={"content": json.dumps(deep)}).text
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"x": "y" * 3000}))
    assert "at most 2048" in server.request("POST", "/data/import", json={"file": f"file://{large}"}).text
    assert "at most 1024" in server.request("POST", "/config/uploads", json={"name": "x", "file": f"file://{large}"}).text
