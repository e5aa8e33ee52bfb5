"""Host commands that are refused, and those that are not, in their many spellings."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draas.agent.core.host_commands.refused import check_command

ENV = {"HOME": "/srv/draas/work/j-1.1", "DATA": "/workspace/data", "TOP": "/"}

ROOT = "deletes the root of the file system"
HOME = "deletes the home folder"
DEVICE = "writes to a block device"
BOMB = "a fork bomb"
KERNEL = "writes to the kernel's controls"
POWER = "turns the machine off or restarts it"
ALL = "ends every process of the machine"

BAD: list[tuple[str | tuple[str, ...], str]] = [
    *(
        (command, ROOT)
        for command in (
            "rm -rf /",
            "rm -fr /",
            "rm -r -f /",
            "rm -Rf /",
            "rm -r /",
            "rm / -rf",
            "rm -rf -- /",
            "rm --recursive --force /",
            "rm --rec --no-preserve-root /",
            "rm -rf --no-preserve-root /",
            "rm -rfv ./x /",
            "rm -rf /*",
            "rm -rf /.* /*",
            "rm -rf //",
            "rm -rf /./",
            "rm -rf /usr/..",
            "rm -rf /tmp/../",
            "rm -rf /../..//.",
            "rm -rf '/'",
            'rm -rf "/"',
            "rm -rf ''/''",
            "rm -rf \\/",
            "r\\m -rf /",
            "'rm' -rf /",
            'r""m "-rf" /',
            "$'\\x72m' -rf $'\\057'",
            "/bin/rm -rf /",
            "/usr/bin/../bin/rm -rf /",
            "\\rm -rf /",
            "command rm -rf /",
            "exec rm -rf /",
            "busybox rm -rf /",
            "sudo rm -rf /",
            "sudo -u root -E -- rm -rf /",
            "env -i A=b rm -rf /",
            "env -S 'rm -rf /'",
            "A=1 B=2 rm -rf /",
            "nohup rm -rf / &",
            "nice -n 5 ionice -c 3 timeout -k 1 10 rm -rf /",
            "sh -c 'rm -rf /'",
            "bash -lc \"rm -rf '/'\"",
            "sudo bash -ec 'sh -c \"rm -rf /\"'",
            "su root -c 'rm -rf /'",
            "eval 'rm -rf /'",
            'eval rm "-rf" /',
            "trap 'rm -rf /' EXIT",
            "echo hi; rm -rf /",
            "echo hi && rm -rf /",
            "false || rm -rf /",
            "echo hi | rm -rf /",
            "echo hi & rm -rf /",
            "echo hi\nrm -rf /",
            "(rm -rf /)",
            "{ rm -rf /; }",
            "! rm -rf /",
            "time rm -rf /",
            "if true; then rm -rf /; fi",
            "while true; do rm -rf /; done",
            "clean() { rm -rf /; }; clean",
            "case $x in a) rm -rf /;; esac",
            'echo "$(rm -rf /)"',
            "echo `rm -rf /`",
            "cat <(rm -rf /)",
            "x=/; rm -rf $x",
            'x=/ && rm -rf "$x"',
            "x=rm; $x -rf /",
            "c='rm -rf /'; $c",
            "rm${IFS}-rf${IFS}/",
            'rm -rf "${x:-/}"',
            "$(echo rm) -rf /",
            "$(which rm) -rf `echo /`",
            "for x in /tmp /; do rm -rf $x; done",
            "cd / && rm -rf *",
            "cd /usr; rm -rf ../.",
            "rm -rf {/,/x}",
            "echo / | xargs rm -rf",
            "echo rm -rf / | sh",
            "printf '%s\\n' 'rm -rf /' | sudo bash",
            "bash <<< 'rm -rf /'",
            "bash <<EOF\nrm -rf /\nEOF\necho done",
            "find / -delete",
            "find / -type f -exec rm -f {} +",
            "rm \\\n  -rf \\\n  /",
            "rm -rf / # only joking",
            "rm -rf / > /dev/null 2>&1",
            'rm -rf "$UNSET"/*',
            "rm -rf $UNSET/",
            "rm -rf $TOP",
            "python3 -c \"import shutil; shutil.rmtree('/')\"",
            ("rm", "-rf", "/"),
            ("/bin/sh", "-c", "rm -rf /"),
            ("sudo", "rm", "-r", "/*"),
        )
    ),
    ("rm -rf ~", HOME),
    ("rm -rf ~/", HOME),
    ("rm -rf $HOME/*", HOME),
    ("cd ~ && rm -rf .", HOME),
    ("rm -rf /usr", "deletes the system folder /usr"),
    ("rm -rf /etc/", "deletes the system folder /etc"),
    ("rm -rf /usr/lib/*", "deletes the system folder /usr/lib"),
    ("rm -f /bin/*", "deletes the system folder /bin"),
    ("rm -rf /b*", "deletes the system folder /bin"),
    ("rm -rf /{boot,tmp}", "deletes the system folder /boot"),
    ("rm -rf /home/*", "deletes the system folder /home"),
    ("chmod -R 777 /", "changes the rights of the root of the file system"),
    ("chown --recursive nobody: /etc", "changes the rights of the system folder /etc"),
    ("chgrp -hR users /usr", "changes the rights of the system folder /usr"),
    ("mv / /tmp/x", "moves the root of the file system"),
    ("mv /* /dev/null", "moves the root of the file system"),
    ("mv /etc /tmp", "moves the system folder /etc"),
    *(
        (command, DEVICE)
        for command in (
            "dd if=/dev/zero of=/dev/sda",
            "dd of=/dev/nvme0n1 if=x bs=1M",
            "echo x > /dev/sda",
            "echo x >/dev/sda1",
            "cat x >> /dev/vda",
            "cat x >| /dev/mmcblk0",
            "cat x &> /dev/sdb",
            "> /dev/sda",
            "cat x | tee /dev/sda",
            "cat x | sudo tee -a /dev/disk/by-id/ata-1",
            "cp x /dev/sda",
            "shred -n 1 /dev/sda",
            "wipefs -a /dev/sda",
            "mkfs.ext4 /dev/sda1",
            "mkfs -t xfs /dev/mapper/root",
            "mkswap /dev/dm-0",
            "blkdiscard /dev/nvme0n1",
            "parted /dev/sda mklabel gpt",
            "sfdisk /dev/sda < table",
            "d=/dev/sda; dd if=x of=$d",
            "dd if=x of=/dev/../dev/sda",
            "if true; then echo x; fi > /dev/sda",
        )
    ),
    *(
        (command, BOMB)
        for command in (
            ":(){ :|:& };:",
            ":(){ :|: & };:",
            ":() { : | : & }; :",
            ":()\n{\n :|:&\n}\n:",
            "bomb() { bomb | bomb & }; bomb",
            "function f { f | f & }; f",
            "function f() { f & f & }; f",
            "f(){ f & }; f",
            "f(){ (f|f)& }; f",
            "f(){ { f; f; } & }; f",
            "f() ( f | f & ); f",
            "bash -c ':(){ :|:& };:'",
            "$0 & $0 &",
            "$0|$0&",
            "perl -e 'fork while fork'",
            "python3 -c 'import os\nwhile True: os.fork()'",
        )
    ),
    ("echo c > /proc/sysrq-trigger", KERNEL),
    ("echo b | sudo tee /proc/sysrq-trigger", KERNEL),
    ("sysctl -w kernel.panic=1", KERNEL),
    ("echo mem > /sys/power/state", KERNEL),
    ("shutdown -h now", POWER),
    ("sudo reboot", POWER),
    ("/sbin/poweroff -f", POWER),
    ("systemctl reboot", POWER),
    ("systemctl isolate poweroff.target", POWER),
    ("init 0", POWER),
    ("kill -9 -1", ALL),
    ("kill -KILL 1", ALL),
    ("kill -s TERM -- -1", ALL),
]

GOOD: list[str | tuple[str, ...]] = [
    "rm -rf /workspace/tmp",
    "rm -rf ./build",
    "rm -rf /tmp/x",
    "rm -rf /tmp/*",
    "rm -rf build/ dist *.egg-info",
    "rm -rf .",
    "rm -rf *",
    "rm -rf ./*",
    "rm -rf ../other",
    "rm -rf ~/.cache",
    "rm -rf $HOME/build",
    'rm -rf "~"',
    "rm -rf /var/lib/apt/lists/*",
    "rm -rf /var/cache/apt",
    "rm -rf /usr/local/app",
    "rm -rf /etc/nginx/sites-enabled/default",
    "rm -rf /opt/app-*",
    "rm -rf /home/anna/build",
    'rm -rf "$DATA"/*',
    "rm -rf $(mktemp -d)",
    "d=$(mktemp -d); rm -rf $d/*",
    'rm -rf "${WORK:?}"/*',
    "read d; rm -rf $d/x",
    "for d in a b; do rm -rf $d; done",
    "(cd / && ls); rm -rf *",
    "cd /tmp/x && rm -rf *",
    "rm -f /etc/motd",
    "rmdir /",
    'echo "rm -rf /"',
    "echo rm -rf /",
    "echo 'rm -rf /' > notes.txt",
    "printf 'rm -rf /'",
    "# rm -rf /",
    "echo hi # rm -rf /",
    "grep -r 'rm -rf /' .",
    "cat <<EOF\nrm -rf /\nEOF",
    "cat <<'EOF' > clean.sh\nrm -rf /\nEOF",
    "git commit -m 'do not rm -rf /'",
    "python3 -c 'print(\"rm -rf /\")'",
    "dd if=/dev/sda of=/workspace/x",
    "dd if=/dev/zero of=disk.img bs=1M count=10",
    "echo x > /dev/null",
    "echo x > /dev/stderr 2>&1",
    "echo x >&2",
    "cat < /dev/sda | sha256sum",
    "tee out.txt < in.txt",
    "cp /dev/sda backup.img",
    "mkfs.ext4 disk.img",
    "fdisk -l /dev/sda",
    "parted /dev/sda print",
    "shred secret.txt",
    "chmod -R 755 ./public",
    "chmod 755 /",
    "chown -R app:app /srv/app /opt",
    "mv a b",
    "mv /etc/hosts.new /etc/hosts",
    "find / -name '*.conf'",
    "find / -name '*.pyc' -delete",
    "find . -delete",
    "find build -type f -exec rm {} +",
    "f() { echo hi; }; f | f & f",
    "walk() { for d in $1/*; do walk $d; done; }; walk .",
    "fib() { echo $(( $(fib $(($1-1))) + $(fib $(($1-2))) )); }; fib 5",
    "f() { g & }; g() { f; }; f",
    "while true; do echo x; sleep 1; done",
    ":",
    "kill -9 1234",
    "kill -1 1234",
    "kill %1",
    "kill -0 1",
    "systemctl status reboot.target",
    "shutdown --help",
    "echo reboot",
    "make clean && make -j8 all",
    "x=1; while [ $x -lt 5 ]; do x=$((x+1)); done",
    'case "$1" in start) echo a;; *) echo b;; esac',
    "echo $((1<<2)); rm -rf /tmp/x",
    "awk '{ print $1 }' file > out",
    ("rm", "-rf", "build"),
    ("echo", "rm -rf /"),
    ("sh", "-c", "echo $0", "rm -rf /"),
    "",
]


@pytest.mark.parametrize(("command", "pattern"), BAD)
def test_what_would_destroy_the_machine_is_refused_by_name(command: str | tuple[str, ...], pattern: str) -> None:
    refusal = check_command(command, ENV)
    assert refusal is not None
    assert refusal.pattern == pattern
    assert pattern in refusal.reason


@pytest.mark.parametrize("command", GOOD)
def test_what_people_run_every_day_is_not(command: str | tuple[str, ...]) -> None:
    assert check_command(command, ENV) is None


@pytest.mark.parametrize("command", ["rm -rf $x", 'rm -rf "$x"/*', "rm -rf /$x"])
def test_a_variable_that_nobody_knows_is_left_to_the_sandbox(command: str) -> None:
    assert check_command(command) is None


SNIPPETS = [
    *(command for command in GOOD if isinstance(command, str)),
    *(command for command, _ in BAD if isinstance(command, str)),
    *[
        "$(",
        ")",
        "`",
        "'",
        '"',
        "\\",
        "{",
        "}",
        "${",
        "}",
        ";",
        "&",
        "|",
        "<",
        "<<",
        ">",
        ">(",
        "((",
        "))",
        "~",
        "*",
        "#",
        "\n",
        "x=",
        "$x",
        "for",
        "do",
        "case",
        "in",
        "esac",
        "function",
        "f()",
        "EOF",
        "\x00",
        "é",
    ],
]


@given(st.lists(st.sampled_from(SNIPPETS), max_size=12).map("".join) | st.text(max_size=200))
@settings(max_examples=500, deadline=None)
def test_nothing_raises(command: str) -> None:
    check_command(command, ENV)
    check_command(command)


@given(st.lists(st.text(max_size=20) | st.sampled_from(SNIPPETS), max_size=8).map(tuple))
def test_no_words_raise(words: tuple[str, ...]) -> None:
    check_command(words, ENV)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=100))
def test_what_is_only_quoted_is_only_text(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert check_command(f"echo {quoted}", ENV) is None


@given(st.sampled_from([command for command, _ in BAD if isinstance(command, str) and "$0" not in command]))
def test_a_refused_command_stays_refused_within_others(command: str) -> None:
    assert check_command(f"set -e\nmkdir -p out\n{command}\n", ENV) is not None
    assert check_command(("sh", "-c", command), ENV) is not None


@pytest.mark.parametrize("snippet", [one for one in dict.fromkeys(SNIPPETS) if one])
def test_work_grows_with_the_length_and_no_faster(snippet: str) -> None:
    short, long = (_calls(snippet * (size // len(snippet) + 1)) for size in (2_000, 20_000))
    assert long <= 15 * short + 1_000


def _calls(command: str) -> int:
    """How many functions are called in judging it."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        check_command(command, ENV)
    finally:
        sys.setprofile(None)
    return calls
