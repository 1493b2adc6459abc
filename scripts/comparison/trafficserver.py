"""Apache Traffic Server is a cache: it serves no folder, so it is filled once from an origin that is then stopped."""

import functools
import http.server
import os
import pathlib
import threading

import harness

from .servers import MOST_CONNECTIONS, MOST_STREAMS, TLS13_SUITE, Server, first_match, said_by

# All files of a comparison fit into the cache on disk, which the page cache holds. Small ones are kept in memory too;
# keeping large ones there was tried, and costs as much and more memory.
CACHE_MIB = 3072
MEMORY_MIB = 256
# Bodies are read from the origin in pieces of so much when the cache is filled.
PIECE = 1 << 20


class _Origin(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self):
        self.send_header("Cache-Control", "public, max-age=1000000")
        super().end_headers()

    def log_message(self, *_):
        pass


class TrafficServer(Server):
    """One event thread and one for reading its cache."""

    name = "trafficserver"
    program = "traffic_server"
    note = (
        "Apache Traffic Server serves no folder: it serves from its cache (a file, in the page cache), which was filled "
        "from an origin that is gone when it is measured."
    )
    keeps_what_the_window_allows = True

    @classmethod
    def version(cls):
        return first_match(r"Traffic Server (\d\S+)", said_by(["traffic_server", "-V"]))

    def __init__(self, site):
        super().__init__(site)
        self._origin = None

    def settings(self):
        values = {
            "admin.user_id": ("STRING", "nobody" if os.geteuid() == 0 else "#-1"),
            "exec_thread.autoconfig": ("INT", 0),
            "exec_thread.limit": ("INT", 1),
            "exec_thread.affinity": ("INT", 0),
            "accept_threads": ("INT", 0),
            "task_threads": ("INT", 1),
            "cache.threads_per_disk": ("INT", 1),
            "http.server_ports": (
                "STRING",
                f"{self.ports['http']}:ip-in=127.0.0.1:proto=http2;http {self.ports['https']}:ip-in=127.0.0.1:ssl",
            ),
            "url_remap.remap_required": ("INT", 1),
            "log.logging_enabled": ("INT", 0),
            "http.insert_request_via_str": ("INT", 0),
            "http.insert_age_in_response": ("INT", 0),
            "http.keep_alive_no_activity_timeout_in": ("INT", 600),
            "http.transaction_no_activity_timeout_in": ("INT", 600),
            "http.accept_no_activity_timeout": ("INT", 600),
            "http2.no_activity_timeout_in": ("INT", 600),
            "http2.max_concurrent_streams_in": ("INT", MOST_STREAMS),
            "http.flow_control.enabled": ("INT", 1),
            "http.flow_control.high_water": ("INT", 4 << 20),
            "http.flow_control.low_water": ("INT", 1 << 20),
            "http2.max_settings_frames_per_minute": ("INT", 10_000),
            "net.connections_throttle": ("INT", MOST_CONNECTIONS + 2000),
            "net.max_connections_in": ("INT", MOST_CONNECTIONS),
            "net.listen_backlog": ("INT", 4096),
            "cache.ram_cache.size": ("INT", MEMORY_MIB << 20),
            "cache.target_fragment_size": ("INT", PIECE),
            "ssl.server.cert.path": ("STRING", self.site.folder),
            "ssl.server.private_key.path": ("STRING", self.site.folder),
            "ssl.server.multicert.filename": ("STRING", "ssl_multicert.config"),
            "ssl.server.TLSv1_3.cipher_suites": ("STRING", TLS13_SUITE),
            "config_dir": ("STRING", self.folder / "etc"),
            "local_state_dir": ("STRING", self.folder / "run"),
            "log.logfile_dir": ("STRING", self.folder / "log"),
            "proxy_name": ("STRING", "localhost"),
        }
        return "".join(f"CONFIG proxy.config.{name} {kind} {value}\n" for name, (kind, value) in values.items())

    def commands(self, conf):
        folders = {name: self.folder / name for name in ("etc", "run", "log", "cache")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        handler = functools.partial(_Origin, directory=str(self.site.root))
        self._origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._origin.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{self._origin.server_port}/"
        etc = folders["etc"]
        (etc / "records.config").write_text(pathlib.Path(conf).read_text())
        (etc / "storage.config").write_text(f"{folders['cache']} {CACHE_MIB}M\n")
        (etc / "ssl_multicert.config").write_text("dest_ip=* ssl_cert_name=cert.pem ssl_key_name=key.pem\n")
        remaps = [f"map {scheme}://127.0.0.1:{port}/ {origin}\n" for scheme, port in self.ports.items()]
        (etc / "remap.config").write_text("".join(remaps))
        (etc / "plugin.config").write_text("")
        (etc / "ip_allow.yaml").write_text("ip_allow:\n  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}\n")
        runroot = folders["etc"] / "runroot.yaml"
        places = {"sysconfdir": etc, "localstatedir": folders["run"], "runtimedir": folders["run"]}
        places |= {"logdir": folders["log"], "cachedir": folders["cache"], "prefix": "/usr", "exec_prefix": "/usr"}
        places |= {"bindir": "/usr/bin", "libexecdir": "/usr/lib/trafficserver/modules", "datadir": "/usr/share"}
        runroot.write_text("".join(f"{name}: {place}\n" for name, place in places.items()))
        return [["traffic_server", f"--run-root={runroot}"]]

    def ready(self):
        """Every file once through the cache; then the origin goes, so that only the cache can answer."""
        for file in sorted(self.site.root.iterdir()):
            url = f"http://127.0.0.1:{self.ports['http']}/{file.name}"
            harness.run(["curl", "-sSf", "--max-time", "120", "-o", "/dev/null", url])
        self._origin.shutdown()
        self._origin.server_close()

    def stop(self):
        if self._origin:
            self._origin.server_close()
        super().stop()
