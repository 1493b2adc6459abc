"""The other servers, from Debian's packages: one worker on one core, and nothing in their way.

For all of them: no access log, keep-alive without a limit of requests, at least 256 streams on a connection where that
can be set, room for 12,000 connections, sendfile where there is one, open files and mappings kept where there is a
setting, the same certificate, TLS 1.3 with AES-128-GCM only (OPENSSL_CONF in servers.py).
"""

import os

from .servers import DESCRIPTORS, H1_TLS, MOST_CONNECTIONS, MOST_STREAMS
from .servers import Ringlane, RinglaneTwice, RinglaneTwo, Server, first_match, said_by
from .trafficserver import TrafficServer


class H2o(Server):
    """One thread, and a process that it starts for its keys."""

    name = program = "h2o"

    @classmethod
    def version(cls):
        return first_match(r"h2o version (\S+)", said_by(["h2o", "--version"]))

    def settings(self):
        return f"""\
num-threads: 1
max-connections: {MOST_CONNECTIONS}
http2-max-concurrent-requests-per-connection: {MOST_STREAMS}
http2-idle-timeout: 600
http1-request-timeout: 600
tcp-fastopen: 0
error-log: {self.folder}/error.log
listen:
  host: 127.0.0.1
  port: {self.ports["http"]}
listen:
  host: 127.0.0.1
  port: {self.ports["https"]}
  ssl:
    certificate-file: {self.site.cert}
    key-file: {self.site.key}
    minimum-version: TLSv1.2
    ocsp-update-interval: 0
hosts:
  default:
    paths:
      /:
        file.dir: {self.site.root}
"""

    def commands(self, conf):
        return [["h2o", "-c", conf]]


class Nginx(Server):
    """A master and one worker, both counted; bodies are read in pieces of 512 KiB, sent in the largest frames it makes.

    Tried in all ways: `sendfile on` costs it up to twice as much (each frame is a system call of its own) and delays
    small answers by 40 ms (a head and a body that leave apart, Nagle's algorithm); smaller buffers cost more too.
    """

    name = program = "nginx"
    note = "nginx: with `sendfile off` and `output_buffers 2 512k`, which cost it less than `sendfile on`."

    @classmethod
    def version(cls):
        return first_match(r"nginx/(\S+)", said_by(["nginx", "-v"]))

    def settings(self):
        folder = self.folder
        return f"""\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {MOST_CONNECTIONS}; }}
http {{
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile off;
  output_buffers 2 512k;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams {MOST_STREAMS};
  http2_chunk_size 16k;
  open_file_cache max=1000 inactive=600s;
  open_file_cache_valid 60s;
  ssl_certificate {self.site.cert};
  ssl_certificate_key {self.site.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_conf_command Options KTLS;
  server {{
    listen 127.0.0.1:{self.ports["http"]} http2 backlog=4096;
    listen 127.0.0.1:{self.ports["https"]} ssl http2 backlog=4096;
    root {self.site.root};
  }}
}}
"""

    def commands(self, conf):
        return [["nginx", "-p", self.folder, "-e", self.folder / "error.log", "-c", conf]]


class Caddy(Server):
    """GOMAXPROCS=1: one thread runs Go code, the garbage collector's among it. HTTP/3 is off."""

    name = program = "caddy"

    @classmethod
    def version(cls):
        return said_by(["caddy", "version"]).split()[0]

    def settings(self):
        return f"""\
{{
  admin off
  auto_https off
  default_bind 127.0.0.1
  servers {{
    protocols h1 h2 h2c
    timeouts {{
      idle 10m
    }}
  }}
  log {{
    level ERROR
  }}
}}
http://:{self.ports["http"]} {{
  root * {self.site.root}
  file_server
}}
https://:{self.ports["https"]} {{
  tls {self.site.cert} {self.site.key}
  root * {self.site.root}
  file_server
}}
"""

    def environment(self):
        return {"GOMAXPROCS": "1", "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    def commands(self, conf):
        return [["caddy", "run", "--config", conf, "--adapter", "caddyfile"]]


class Lighttpd(Server):
    """One process."""

    name = program = "lighttpd"
    note = "lighttpd allows 8 streams on a connection at once, which cannot be set."

    @classmethod
    def version(cls):
        return first_match(r"lighttpd/(\S+)", said_by(["lighttpd", "-v"]))

    def settings(self):
        return f"""\
server.modules = ( "mod_openssl" )
server.document-root = "{self.site.root}"
server.bind = "127.0.0.1"
server.port = {self.ports["http"]}
server.errorlog = "{self.folder}/error.log"
server.network-backend = "sendfile"
server.max-connections = {MOST_CONNECTIONS}
server.max-fds = {DESCRIPTORS}
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.max-read-idle = 600
server.max-write-idle = 600
server.listen-backlog = 4096
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
mimetype.assign = ( "" => "application/octet-stream" )
$SERVER["socket"] == "127.0.0.1:{self.ports["https"]}" {{
  ssl.engine = "enable"
  ssl.pemfile = "{self.site.cert}"
  ssl.privkey = "{self.site.key}"
  ssl.openssl.ssl-conf-cmd = ( "MinProtocol" => "TLSv1.2", "Ciphersuites" => "TLS_AES_128_GCM_SHA256", "Options" => "+KTLS" )
}}
"""

    def commands(self, conf):
        return [["lighttpd", "-D", "-f", conf]]


class Nghttpd(Server):
    """Two processes, in the clear and over TLS; only one of them works in any measurement."""

    name = program = "nghttpd"
    lacks = {H1_TLS: "nghttpd speaks HTTP/2 only."}

    @classmethod
    def version(cls):
        return first_match(r"nghttp2/(\S+)", said_by(["nghttpd", "--version"]))

    def settings(self):
        lines = (" ".join(str(word) for word in words) for words in self.commands(None))
        return "".join(f"# {line}\n" for line in lines)

    def commands(self, conf):
        common = ["nghttpd", "-a", "127.0.0.1", "-n", "1", "-m", str(MOST_STREAMS), "-d", self.site.root]
        clear = [*common, "--no-tls", str(self.ports["http"])]
        return [clear, [*common, "--ktls", str(self.ports["https"]), self.site.key, self.site.cert]]


class Apache(Server):
    """mpm_event with one process; its threads and those of mod_http2 are all on the one core."""

    name = "apache"
    program = "apache2"
    note = (
        "Apache httpd: mpm_event, one process with 256 threads on the one core (a thread works on each request). It needs "
        "more than four descriptors for a connection: where 10,000 connections would need more than are allowed, fewer "
        "are opened."
    )
    descriptors_each = 4.5

    @classmethod
    def version(cls):
        return first_match(r"Apache/(\S+)", said_by(["apache2", "-v"]))

    def settings(self):
        modules = "mpm_event http2 ssl mime authz_core reqtimeout socache_shmcb"
        loaded = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules.split())
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        return f"""\
ServerRoot {self.folder}
ServerName localhost
PidFile {self.folder}/httpd.pid
DefaultRuntimeDir {self.folder}
ErrorLog {self.folder}/error.log
LogLevel error
Mutex pthread
{loaded}
{user}TypesConfig /dev/null
StartServers 1
ServerLimit 1
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
MinSpareThreads 1
MaxSpareThreads 256
AsyncRequestWorkerFactor 400
MaxConnectionsPerChild 0
ListenBacklog 4096
Timeout 600
KeepAlive On
KeepAliveTimeout 600
MaxKeepAliveRequests 0
RequestReadTimeout header=0 body=0
EnableSendfile On
EnableMMAP On
HostnameLookups Off
ServerTokens Prod
Protocols h2 h2c http/1.1
H2Direct on
H2Push off
H2MaxSessionStreams {MOST_STREAMS}
Listen 127.0.0.1:{self.ports["http"]}
Listen 127.0.0.1:{self.ports["https"]} https
DocumentRoot {self.site.root}
<Directory {self.site.root}>
  AllowOverride None
  Options None
  Require all granted
</Directory>
<VirtualHost 127.0.0.1:{self.ports["https"]}>
  SSLEngine on
  SSLProtocol -all +TLSv1.2 +TLSv1.3
  SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
  SSLCertificateFile {self.site.cert}
  SSLCertificateKeyFile {self.site.key}
</VirtualHost>
"""

    def commands(self, conf):
        return [["apache2", "-f", conf, "-DFOREGROUND"]]


# Those that a comparison begins with, then the rest.
ALL = {
    server.name: server
    for server in (Ringlane, H2o, Nginx, Lighttpd, Nghttpd, TrafficServer, Apache, Caddy, RinglaneTwo, RinglaneTwice)
}
MAIN = ("ringlane", "h2o", "nginx")
PEERS = tuple(name for name in ALL if not name.startswith("ringlane"))
