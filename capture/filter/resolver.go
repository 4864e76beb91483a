package filter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// ErrNoSuchName is what a Resolver returns, wrapped or not, for a name it
// doesn't know.
var ErrNoSuchName = errors.New("no such name")

// A Resolver gives names their numbers while an expression is compiled. Names
// are passed as written. A name that isn't known is an error that wraps
// ErrNoSuchName.
type Resolver interface {
	// Host returns the IPv4 and IPv6 addresses of a host, in any order and
	// without zones.
	Host(name string) ([]netip.Addr, error)
	// Network returns an IPv4 network, as networks(5) has it.
	Network(name string) (netip.Prefix, error)
	// Ether returns the hardware address of a host, as ethers(5) has it.
	Ether(name string) ([6]byte, error)
	// Port returns the port of a service. The network is tcp or udp.
	Port(network, name string) (uint16, error)
	// Protocol returns the number of a protocol above IP.
	Protocol(name string) (uint8, error)
}

// System asks the files of this machine for all names, and its name servers for
// hosts, for five seconds at most. It is the Resolver of a Config that has none.
type System struct{}

var _ Resolver = System{}

// Host asks the resolver of the net package.
func (System) Host(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, fmt.Errorf("%w: %w", ErrNoSuchName, err)
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap().WithZone("")
	}
	return addrs, err
}

// Network looks into /etc/networks.
func (System) Network(name string) (netip.Prefix, error) { return etc().Network(name) }

// Ether looks into /etc/ethers.
func (System) Ether(name string) ([6]byte, error) { return etc().Ether(name) }

// Port looks into /etc/services, and knows the most common services without.
func (System) Port(network, name string) (uint16, error) { return etc().Port(network, name) }

// Protocol looks into /etc/protocols, and knows the most common ones without.
func (System) Protocol(name string) (uint8, error) { return etc().Protocol(name) }

func etc() Files { return Files{os.DirFS("/etc")} }

// Files asks files called hosts, networks, ethers, services and protocols, in
// the form that hosts(5) and the others describe, and nothing else. A file that
// isn't there has no names in it; for services and protocols the most common
// ones are known even so. Upper and lower case are not told apart, except for
// services and protocols, as in the C library.
type Files struct{ FS fs.FS }

var _ Resolver = Files{}

// Host looks into hosts.
func (f Files) Host(name string) ([]netip.Addr, error) {
	var found []netip.Addr
	err := f.lines("hosts", func(fields []string) bool {
		if !namesHost(fields[1:], name) {
			return true
		}
		if a, err := netip.ParseAddr(fields[0]); err == nil {
			found = append(found, a.WithZone("").Unmap())
		}
		return true
	})
	if err == nil && len(found) == 0 {
		err = ErrNoSuchName
	}
	return found, err
}

func namesHost(fields []string, name string) bool {
	for _, have := range fields {
		if strings.EqualFold(have, name) {
			return true
		}
	}
	return false
}

// Network looks into networks. The address of a network may lack its last
// parts, and then is of as many bits as it has; a whole one is of 32 bits, which
// is what libpcap makes of it.
func (f Files) Network(name string) (netip.Prefix, error) {
	var found netip.Prefix
	err := f.lines("networks", func(fields []string) bool {
		if len(fields) < 2 || !namesHost(fields[:1], name) && !namesHost(fields[2:], name) {
			return true
		}
		addr, bits := uint32(0), 0
		for part := range strings.SplitSeq(fields[1], ".") {
			n, ok := decimal(part, 255)
			if !ok || bits == 32 {
				return true
			}
			addr, bits = addr<<8|n, bits+8
		}
		// Zeros in front are no part of the number, as in libpcap.
		for addr != 0 && addr>>24 == 0 {
			addr <<= 8
		}
		found = netip.PrefixFrom(addrFrom(addr), bits)
		return false
	})
	if err == nil && !found.IsValid() {
		err = ErrNoSuchName
	}
	return found, err
}

func addrFrom(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

// Ether looks into ethers.
func (f Files) Ether(name string) (addr [6]byte, err error) {
	found := false
	err = f.lines("ethers", func(fields []string) bool {
		if len(fields) < 2 || !strings.EqualFold(fields[1], name) {
			return true
		}
		a, err := etherAddress(fields[0])
		if err != nil {
			return true
		}
		addr, found = a, true
		return false
	})
	if err == nil && !found {
		err = ErrNoSuchName
	}
	return addr, err
}

// Port looks into services.
func (f Files) Port(network, name string) (port uint16, err error) {
	found := false
	err = f.lines("services", func(fields []string) bool {
		number, proto, ok := strings.Cut(fields[1], "/")
		if !ok || proto != network || !names(fields, name) {
			return true
		}
		n, ok := decimal(number, 65535)
		port, found = uint16(n), ok
		return !ok
	})
	if err == nil && !found {
		if port, found = commonServices[network+" "+name]; !found {
			err = ErrNoSuchName
		}
	}
	return port, err
}

// names tells whether a line of services or protocols has the name, first or
// behind the number.
func names(fields []string, name string) bool {
	if fields[0] == name {
		return true
	}
	for _, alias := range fields[2:] {
		if alias == name {
			return true
		}
	}
	return false
}

// Protocol looks into protocols.
func (f Files) Protocol(name string) (proto uint8, err error) {
	found := false
	err = f.lines("protocols", func(fields []string) bool {
		if !names(fields, name) {
			return true
		}
		n, ok := decimal(fields[1], 255)
		proto, found = uint8(n), ok
		return !ok
	})
	if err == nil && !found {
		if proto, found = commonProtocols[name]; !found {
			err = ErrNoSuchName
		}
	}
	return proto, err
}

// lines calls f with the fields of each line that has at least two, comments
// left out, while f returns true.
func (f Files) lines(file string, each func(fields []string) bool) error {
	if f.FS == nil {
		return nil
	}
	r, err := f.FS.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if fields := strings.Fields(line); len(fields) >= 2 && !each(fields) {
			return nil
		}
	}
	return lines.Err()
}

var commonServices = map[string]uint16{
	"tcp ftp-data": 20, "tcp ftp": 21, "tcp ssh": 22, "tcp telnet": 23, "tcp smtp": 25,
	"tcp domain": 53, "udp domain": 53, "udp bootps": 67, "udp bootpc": 68, "udp tftp": 69,
	"tcp http": 80, "tcp kerberos": 88, "udp kerberos": 88, "tcp acr-nema": 104,
	"tcp pop3": 110, "tcp sunrpc": 111, "udp sunrpc": 111, "udp ntp": 123, "tcp imap2": 143,
	"tcp imap": 143, "udp snmp": 161, "udp snmp-trap": 162, "tcp bgp": 179, "tcp ldap": 389,
	"udp ldap": 389, "tcp https": 443, "udp https": 443, "udp isakmp": 500, "udp syslog": 514,
	"tcp ldaps": 636, "tcp nfs": 2049, "udp nfs": 2049, "udp sip": 5060, "tcp sip": 5060,
}

var commonProtocols = map[string]uint8{
	"ip": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17,
	"ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
	"ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "pim": 103,
	"vrrp": 112, "l2tp": 115, "sctp": 132,
}
