"""flat - one name server with all names in its root zone, nothing signed, and a client that asks it: for what needs many names only."""


def flat(net, lines):
    """The client."""
    client = net.host("client", "172.16.1.11")
    net.ns.write("/etc/nsd/root", "$ORIGIN .\n$TTL 300\n. SOA ns. root. 1 60 60 60 60\n. NS ns.\nns. A 192.0.2.53\n" + lines)
    net.ns.write("/etc/nsd/nsd.conf", 'server:\n ip-address: 192.0.2.53\n username: ""\n pidfile: ""\n database: ""\n zonesdir: /etc/nsd\n xfrdfile: /run/xfrd.state\n'
                 ' zonelistfile: /run/zone.list\n server-count: 1\n xfrdir: /run\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\nzone:\n name: "."\n zonefile: root\n')
    net.ns.spawn("nsd", "-d", "-c", "/etc/nsd/nsd.conf")
    client.write("/etc/resolv.conf", "nameserver 192.0.2.53\n")
    return client
