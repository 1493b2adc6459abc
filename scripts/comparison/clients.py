"""Those that ask: h2load, `ringlane bench`, and connections that are only held. A figure is given only when every
request succeeded, exactly the right number of bytes came, and the protocol and the cipher were those asked for."""

import contextlib
import json
import pathlib
import re
import socket
import ssl
import subprocess

import harness

from .servers import CLIENT_CORE, H1_TLS, H2_CLEAR, TLS13_SUITE, Ringlane, Unavailable, first_match, said_by

TIMEOUT_S = 180
# As the clients name what was negotiated.
SPOKEN = {H2_CLEAR: "h2c", H1_TLS: "http/1.1"}


def percentile(values, percent):
    """The least of the values that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


class H2load:
    """nghttp2's."""

    name = "h2load"

    @classmethod
    def version(cls):
        return first_match(r"nghttp2/(\S+)", said_by(["h2load", "--version"]))

    def __init__(self, folder):
        self._log = folder / "h2load.log"

    def _options(self, load):
        return ["-c", load.connections, "-m", load.streams, f"--tls13-ciphers={TLS13_SUITE}"] + (
            ["--h1"] if load.protocol == H1_TLS else []
        )

    def run(self, server, load, cores=str(CLIENT_CORE)):
        """One closed load: seconds, rates; and how evenly it went when each connection makes one request."""
        argv = self._options(load)
        alone = load.requests == load.connections and load.connections > 1
        if alone:
            self._log.unlink(missing_ok=True)
            argv.append(f"--log-file={self._log}")
        figures = harness.h2load([*argv, server.url(load.protocol, load.path)], load.requests, load.bytes, TIMEOUT_S, cores)
        _agreed(figures.pop("tls"), figures.pop("cipher"), figures.pop("spoken"), load.protocol)
        if alone:
            times = self._times()
            if len(times) != load.connections:
                raise RuntimeError(f"h2load logged {len(times)} of {load.connections} requests")
            figures["fairness"] = max(times) / min(times)
        return figures

    def _times(self):
        """Microseconds of every request in the log."""
        rows = [line.split("\t") for line in self._log.read_text().splitlines()]
        bad = sum(1 for row in rows if row[1] != "200")
        if bad:
            raise RuntimeError(f"{bad} requests were not answered with 200")
        return [int(row[2]) for row in rows]

    def paced(self, server, load, rate, priority):
        """`load.requests` at `rate` per second over all connections: percentiles of their latency in microseconds."""
        self._log.unlink(missing_ok=True)
        argv = [*self._options(load), f"--rps={max(1, rate // load.connections)}", f"--log-file={self._log}"]
        url = server.url(load.protocol, load.path)
        said = harness.h2load([*argv, url], load.requests, load.bytes, TIMEOUT_S, CLIENT_CORE, priority)
        _agreed(said["tls"], said["cipher"], said["spoken"], load.protocol)
        times = self._times()
        return {"seconds": said["seconds"]} | {f"p{p}_us": percentile(times, p) for p in (50, 99)}


class Bench:
    """`ringlane bench`: the client of the same tree."""

    name = "bench"

    @classmethod
    def version(cls):
        return Ringlane.version()

    def __init__(self, folder):
        del folder
        if "--json" not in harness.run([Ringlane.binary(), "bench", "--help"]):
            raise Unavailable("this ringlane bench has no --json")

    def _result(self, server, load, options, cores=str(CLIENT_CORE), priority=()):
        argv = ["taskset", "-c", cores, *priority, Ringlane.binary(), "bench", server.url(load.protocol, load.path)]
        argv += ["-c", load.connections, "-m", load.streams, "--cores", cores, "--insecure", "--json", "-"]
        argv += ["--http1"] if load.protocol == H1_TLS else []
        result = json.loads(harness.run([*argv, *options], TIMEOUT_S))
        total, made = result["total"], result["connections"]
        done, body = total["requests"]["succeeded"], total["bytes"]["body"]
        left = load.requests - done
        if result["outcome"] != "complete" or total["requests"] != {"succeeded": done, "failed": 0, "unfinished": left, "retried": 0}:
            raise RuntimeError(f"not every request succeeded: {total['requests']}, {total['errors']}")
        # At a fixed rate some may be due or in flight when time is up; their age until then is in the percentiles.
        if left and ("--rate" not in options or left > load.requests / 10):
            raise RuntimeError(f"{left} of {load.requests} requests were not finished")
        if set(total["statuses"]) != {"200"} or not done * load.size <= body <= load.bytes:
            raise RuntimeError(f"{total['statuses']}, {body} bytes of bodies instead of {load.bytes}")
        spoken = "/".join(sorted(made["protocols"]))
        spoken = "http/1.1" if spoken == "http/1.1" else "h2c" if load.protocol == H2_CLEAR and spoken == "h2" else spoken
        sealed = "/".join(sorted(made["ciphers"]))
        tls = cipher = None
        if sealed:
            tls = "TLSv1.3" if re.search(r"TLS.?v?1[._]3", sealed) else sealed
            cipher = TLS13_SUITE if re.search(r"AES_128_GCM_SHA256$", sealed) and "/" not in sealed else sealed
        _agreed(tls, cipher, spoken, load.protocol)
        return result

    def run(self, server, load, cores=str(CLIENT_CORE)):
        """One closed load: seconds, rates, latencies; and how evenly it went when each connection makes one request."""
        result = self._result(server, load, ["-n", load.requests], cores)
        seconds = result["total"]["elapsed_s"]
        figures = {
            "seconds": seconds,
            "requests_per_s": load.requests / seconds,
            "mb_per_s": load.bytes / seconds / 1e6,
        }
        latency = result["total"]["latency"]["last_byte"]
        if load.requests == load.connections and load.connections > 1:
            figures["fairness"] = latency["max_ns"] / latency["min_ns"]
        return figures | _percentiles(latency)

    def paced(self, server, load, rate, priority):
        """An open model: requests at fixed times, latencies from when each was due."""
        duration = f"{round(load.requests * 1000 / rate)}ms"
        result = self._result(server, load, ["--rate", rate, "--duration", duration], priority=priority)
        return {"seconds": result["total"]["elapsed_s"]} | _percentiles(result["total"]["latency"]["corrected"])


CLIENTS = {client.name: client for client in (H2load, Bench)}


def _percentiles(latency):
    wanted = {50.0: "p50_us", 99.0: "p99_us"}
    return {wanted[p["percent"]]: p["ns"] / 1e3 for p in latency["percentiles"] if p["percent"] in wanted}


def _agreed(tls, cipher, spoken, protocol):
    """Refuses a run over another protocol or cipher than the one to be measured."""
    if spoken != SPOKEN.get(protocol, "h2"):
        raise RuntimeError(f"{spoken} was spoken, not {SPOKEN.get(protocol, 'h2')}")
    if protocol != H2_CLEAR and (tls, cipher) != ("TLSv1.3", TLS13_SUITE):
        raise RuntimeError(f"it was secured with {tls} {cipher}, not TLSv1.3 {TLS13_SUITE}")


class Download:
    """A download of a large file over and over on one connection, by h2load, for as long as the block lasts."""

    # Longer than any block: it is ended, by its id, with the block.
    MOST_S = 600

    def __init__(self, server, protocol, path):
        argv = ["taskset", "-c", CLIENT_CORE, "h2load", "-c1", "-m1", f"--tls13-ciphers={TLS13_SUITE}"]
        self._argv = [*argv, f"-D{self.MOST_S}s", server.url(protocol, path)]

    def __enter__(self):
        self._child = harness.spawn(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def received(self):
        """Bytes that it has read so far (`rchar` of proc(5)). Raises when it has ended."""
        if self._child.poll() is not None:
            raise RuntimeError(f"the download ended with {self._child.returncode}")
        io = pathlib.Path(f"/proc/{self._child.pid}/io").read_text()
        return int(re.search(r"rchar: (\d+)", io)[1])

    def __exit__(self, *_):
        harness.end(self._child)


class Held:
    """Connections over each of which one small file was fetched, and that say no more until they are closed."""

    def __init__(self, server, protocol, path):
        self._address = ("127.0.0.1", server.port(protocol))
        scheme = "http" if protocol == H2_CLEAR else "https"
        authority = f"127.0.0.1:{server.port(protocol)}"
        self._ask = harness.PREFACE + harness.settings() + harness.get(1, path, scheme, authority)
        self._context = None
        if protocol != H2_CLEAR:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
            self._context.set_alpn_protocols(["h2"])
        self._open = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._open:
            with contextlib.suppress(OSError):
                one.close()

    def hold(self, count):
        """Opens connections until there are `count`."""
        while len(self._open) < count:
            self._open.append(self._connect())

    def _connect(self):
        raw = socket.create_connection(self._address, 20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            raw = self._context.wrap_socket(raw)
        raw.sendall(self._ask)
        reader = harness.FrameReader(raw.recv)
        acknowledged = ended = False
        while not (acknowledged and ended):
            kind, flags, stream, payload = reader.next()
            if kind == harness.SETTINGS and flags & harness.ACK:
                acknowledged = True
            elif kind == harness.SETTINGS:
                raw.sendall(harness.frame(harness.SETTINGS, harness.ACK, 0))
            elif kind in (harness.GOAWAY, harness.RST_STREAM):
                raise RuntimeError(f"the server ended it with frame {kind}")
            elif kind == harness.HEADERS and stream == 1 and not harness.status_is_200(payload):
                raise RuntimeError("a held connection's request was not answered with 200")
            ended = ended or (stream == 1 and kind in (harness.DATA, harness.HEADERS) and bool(flags & harness.END_STREAM))
        return raw

    def closed(self):
        """How many of them the server has closed."""
        gone = 0
        for one in self._open:
            one.setblocking(False)
            try:
                # TLS: what is there (tickets) is read; an end shows as an empty read.
                gone += one.recv(65536) == b""
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:
                gone += 1
            one.setblocking(True)
        return gone
