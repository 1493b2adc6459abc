"""What the scripts that boot another kernel share: the kernel from its Debian package, the guest's first file system
with the programs and the tests that run there, QEMU without KVM, and the checks that the guest writes as lines.

Nothing of the machine is touched: packages are unpacked into the script's own folder, nothing is installed. Standard
library only, as everything here.
"""

import json
import lzma
import pathlib
import re
import shutil
import subprocess
import threading
import time

import harness as h

QEMU = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072", "-no-reboot"]
APPLETS = ["cat", "dd", "dmesg", "grep", "head", "insmod", "ip", "kill", "mkdir", "mount", "poweroff", "seq", "sh", "sha256sum", "sleep", "stty", "tail", "uname"]

# How every guest begins, and what it can do.
PRELUDE = r"""#!/bin/sh
export PATH=/bin HOME=/scratch TMPDIR=/scratch
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; mount -t tmpfs t /scratch
ip link set lo up
for module in MODULES; do insmod /modules/$module.ko || echo "no module $module"; done
echo "KERNEL $(uname -r)"
check() { name=$1; shift; if [ "$1" = "$2" ]; then echo "CHECK ok $name"; else echo "CHECK FAIL $name: $1 instead of $2"; fi; }
hash() { sha256sum | head -c 64; }
random_files() { # beneath /scratch/root
    mkdir /scratch/root; dd if=/dev/urandom of=/scratch/root/big bs=1048576 count=BIG 2>/dev/null
    dd if=/dev/urandom of=/scratch/root/small bs=1024 count=1 2>/dev/null
}
serve() { # root, options
    ringlane serve "$@" --http ADDRESS:8080 --https ADDRESS:8443 >/scratch/log 2>&1 &
    server=$!
    for n in $(seq 100); do grep -q Try: /scratch/log && return; sleep 0.2; done
    echo "CHECK FAIL start: $(tail -n 3 /scratch/log)"
}
stop() {
    kill -TERM $server; (sleep 40; kill -KILL $server) 2>/dev/null & killer=$!
    wait $server; code=$?; kill $killer; check "$1: drains and ends with 0" $code 0
}
run_tests() {
    cd /work
    for test in /tests/*; do
        name=${test##*/}
        $test $(cat /filters/$name) --test-threads 2 >/scratch/log 2>&1
        [ $? = 0 ] || cat /scratch/log
        echo "$(grep '^test result' /scratch/log)"
        check "the tests of $name" "$(grep -c 'test result: ok. [1-9]' /scratch/log)" 1
    done
}
complaints() { dmesg | grep -iE "BUG:|(^|[^a-z])oops|call trace" && echo "CHECK FAIL the kernel complained"; }
"""


def init(body, modules, address, big_mib):
    """The guest's first program: the beginning that all have in common, then this one's own."""
    filled = {"MODULES": " ".join(modules), "ADDRESS": address, "BIG": str(big_mib)}
    return re.sub(r"\b(MODULES|ADDRESS|BIG)\b", lambda found: filled[found[1]], PRELUDE) + body


# --- The kernel -------------------------------------------------------------------------------------------------


def kernel(folder, package, version, apt_options=()):
    """Debian's package of the kernel that `package` stands for, unpacked beneath the folder: the image and the modules.

    `version` begins its version, so that nothing else is tested in its place.
    """
    depends = h.run(["apt-cache", *apt_options, "depends", package])
    named = re.search(rf"Depends: (linux-image-{re.escape(version)}\.\S+)", depends)
    if not named:
        raise RuntimeError(f"{package} is not Linux {version}: apt knows {depends.split()[1:]}")
    # As the user who may not read the folder, apt says so and goes on.
    subprocess.run(["apt-get", *apt_options, "-q", "download", named[1]], cwd=folder, check=True, capture_output=True)
    subprocess.run(["dpkg", "-x", next(folder.glob(f"{named[1]}_*.deb")), "kernel"], cwd=folder, check=True)
    return next(folder.glob("kernel/boot/vmlinuz-*")), next(folder.glob("kernel/**/lib/modules/*"))


def copy_module(modules, name, target):
    """A module without its compression: busybox inserts no other."""
    found = next(modules.glob(f"kernel/**/{name}.ko*"))
    content = found.read_bytes()
    (target / f"{name}.ko").write_bytes(lzma.decompress(content) if found.suffix == ".xz" else content)


# --- The image --------------------------------------------------------------------------------------------------


def libraries(program):
    """The shared libraries of a program, the loader included."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {pathlib.Path(path) for path in re.findall(r"/\S+", listed)}


def built_tests(tests):
    """The test binaries by name, built now if they are not."""
    named = [option for name in tests if name != "ringlane" for option in ("--test", name)]
    listed = h.run(["cargo", "test", "--no-run", "--quiet", "--message-format=json", "--lib", *named], cwd=h.REPO)
    made = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
    return {one["target"]["name"]: one["executable"] for one in made if one.get("executable") and one["profile"]["test"]}


def image(folder, modules, names, clients, tests, init_program):
    """The guest's first file system: modules by name, clients, ringlane, and the tests with their filters."""
    root = folder / "image"
    for name in ["bin", "proc", "sys", "dev", "scratch", "work", "modules", "tests", "filters"]:
        (root / name).mkdir(parents=True)
    programs = {root / "bin" / name: shutil.which(name) for name in clients}
    programs[root / "bin/ringlane"] = h.ringlane_binary()
    for name, path in built_tests(tests).items():
        programs[root / "tests" / name] = path
        (root / "filters" / name).write_text(tests[name])
    # The tests start the server that was built with them.
    metadata = h.run(["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"], cwd=h.REPO)
    debug = pathlib.Path(json.loads(metadata)["target_directory"]) / "debug/ringlane"
    programs[root / debug.relative_to("/")] = debug
    for target, source in programs.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["strip", "-o", target, source], check=True)
        for library in libraries(source):
            copy = root / library.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, copy)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    for name in names:
        copy_module(modules, name, root / "modules")
    (root / "init").write_text(init_program)
    (root / "init").chmod(0o755)
    packed = folder / "image.cpio.gz"
    subprocess.run(f"find . | cpio -o -H newc --quiet | gzip -1 > {packed}", shell=True, cwd=root, check=True)
    return packed


# --- The machine ------------------------------------------------------------------------------------------------


def report(checks, said):
    """Counts the checks that the guest wrote as lines."""
    for ok, name in re.findall(r"^CHECK (ok|FAIL) (.*)$", said, re.M):
        checks.check(name, ok == "ok")


def check_kernel(checks, said, version):
    """That the guest runs the kernel that it should."""
    found = re.search(r"KERNEL (\S+)", said)
    return checks.check("the guest's kernel", bool(found) and found[1].startswith(f"{version}."), found[1] if found else said[-2000:])


class Machine:
    """A guest that is asked: its init reads commands from a serial port and says there when each has ended.

    The kernel's console is another serial port, a file, so that what it says does not mix with the answers. Every wait
    ends at the machine's time limit at the latest.
    """

    # The rest of an init that answers.
    LISTEN = r"""
exec </dev/ttyS1 >/dev/ttyS1 2>&1
stty -echo -onlcr
echo READY
while read -r line; do eval "$line" </dev/null; code=$?; echo; echo "ANSWERED $code"; done
"""

    def __init__(self, argv, folder, limit_s):
        self.console = folder / "console"
        self.said = ""
        self._until = time.monotonic() + limit_s
        self._text = ""
        self._heard = threading.Condition()
        argv = [*argv, "-display", "none", "-monitor", "none", "-serial", f"file:{self.console}", "-serial", "stdio"]
        self.child = h.spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while piece := self.child.stdout.read1(65536):
            with self._heard:
                self._text += piece.decode(errors="replace")
                self.said += piece.decode(errors="replace")
                self._heard.notify_all()
        with self._heard:
            self.child.wait()
            self._heard.notify_all()

    def left(self):
        """Seconds that the machine may still run."""
        return max(0.0, self._until - time.monotonic())

    def _await(self, wanted, timeout):
        """What was said before the first line that matches, and the match."""
        until = min(time.monotonic() + timeout, self._until)
        with self._heard:
            while not (found := re.search(wanted, self._text, re.M)):
                ended = self.child.poll() is not None
                if ended or time.monotonic() >= until:
                    shown = self._text[-800:] + self.console.read_text(errors="replace")[-1200:]
                    raise RuntimeError(f"the guest {'ended' if ended else 'did not answer in time'}: {shown}")
                self._heard.wait(min(until - time.monotonic(), 0.5))
            before, self._text = self._text[: found.start()], self._text[found.end() :]
        return before, found

    def ready(self):
        """Returns what the console said until the guest listened."""
        self._await(r"^READY\n", self.left())
        return self.console.read_text(errors="replace").replace("\r", "")

    def ask(self, command, timeout=60):
        """Runs one line of shell there; what it wrote."""
        self.child.stdin.write(f"{command}\n".encode())
        self.child.stdin.flush()
        return self._await(r"^ANSWERED \d+\n", timeout)[0].strip("\n")

    def power_off(self):
        """Whether the guest ended by itself."""
        try:
            self.child.stdin.write(b"poweroff -f\n")
            self.child.stdin.flush()
            self.child.wait(min(20, self.left()))
        except (OSError, subprocess.TimeoutExpired):
            return False
        return self.child.returncode == 0

    def end(self):
        """Ends QEMU if it has not ended."""
        h.end(self.child)
