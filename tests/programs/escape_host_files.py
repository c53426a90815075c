# Opens files of the host by their absolute paths. None may exist, but /etc/passwd, which is the guest's own.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", 2, "root"]
paths = ["/etc/shadow", "/root/.ssh/id_rsa", "/root/.bashrc", "/home", "/var/log/syslog", "/boot/vmlinuz", host_file]
own = open("/etc/passwd").read().splitlines()
[attempt(open, path) for path in paths] + [len(own), own[0].split(":")[0]]
