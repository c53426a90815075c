# ipaddress: addresses, networks, membership, summaries, errors.
import ipaddress as ip

net = ip.ip_network("192.168.10.0/28")
print(net.num_addresses, net.netmask, net.broadcast_address, list(net.hosts())[:3], list(net.subnets(new_prefix=30))[1])
print(ip.ip_address("192.168.10.5") in net, ip.ip_address("2001:db8::1").exploded, ip.ip_address(3232235777))
print(ip.ip_address("10.0.0.1").is_private, ip.ip_address("127.0.0.1").is_loopback, ip.ip_interface("10.1.2.3/16").network)
print(list(ip.summarize_address_range(ip.ip_address("10.0.0.0"), ip.ip_address("10.0.0.5"))))
print(list(ip.collapse_addresses([ip.ip_network("10.0.0.0/25"), ip.ip_network("10.0.0.128/25")])))
messages = []
for bad in ("300.1.1.1", "10.0.0.1/33", "::g"):
    try:
        ip.ip_interface(bad)
    except ValueError as error:
        messages.append(str(error))
messages
