package testenv

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/jsimonetti/rtnetlink/v2/driver"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// NewVeth joins two namespaces by a pair of virtual Ethernet interfaces, both
// up when it returns: what one sends, the other receives. Their addresses are
// 02:00:00:00:00:01 for nameA in a, and 02:00:00:00:00:02 for nameB in b. The
// pair goes with its namespaces.
func NewVeth(t testing.TB, a, b *Namespace, nameA, nameB string) {
	t.Helper()
	err := a.route(func(c *rtnetlink.Conn) error {
		return c.Link.New(&rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
			Name:    nameA,
			Address: macA,
			Info: &rtnetlink.LinkInfo{Kind: "veth", Data: &driver.Veth{
				PeerInfo: &rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
					Name:    nameB,
					Address: macB,
					NetNS:   rtnetlink.NetNSForFD(uint32(b.fd)),
				}},
			}},
		}})
	})
	if err != nil {
		t.Fatalf("new veth pair %s, %s: %v", nameA, nameB, err)
	}
	a.SetUp(t, nameA)
	b.SetUp(t, nameB)
	a.awaitOperational(t, nameA)
	b.awaitOperational(t, nameB)
}

// awaitOperational waits until the kernel has started the link's queue, which
// it does in the background once both ends are up. A frame sent before is lost.
func (n *Namespace) awaitOperational(t testing.TB, name string) {
	t.Helper()
	const limit = 10 * time.Second
	for start := time.Now(); n.Link(t, name).Attributes.OperationalState != rtnetlink.OperStateUp; {
		if time.Since(start) > limit {
			t.Fatalf("link %s: not operational after %v", name, limit)
		}
		time.Sleep(time.Millisecond)
	}
}

// SetUp brings a link up.
func (n *Namespace) SetUp(t testing.TB, name string) {
	t.Helper()
	n.setLink(t, name, rtnetlink.LinkMessage{Flags: unix.IFF_UP, Change: unix.IFF_UP})
}

// SetDown takes a link down.
func (n *Namespace) SetDown(t testing.TB, name string) {
	t.Helper()
	n.setLink(t, name, rtnetlink.LinkMessage{Change: unix.IFF_UP})
}

// Rename gives a link another name. Before Linux 6.2, only a link that is
// down can be renamed.
func (n *Namespace) Rename(t testing.TB, name, to string) {
	t.Helper()
	n.setLink(t, name, rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{Name: to}})
}

func (n *Namespace) setLink(t testing.TB, name string, change rtnetlink.LinkMessage) {
	t.Helper()
	change.Index = n.Link(t, name).Index
	if err := n.route(func(c *rtnetlink.Conn) error { return c.Link.Set(&change) }); err != nil {
		t.Fatalf("set link %s: %v", name, err)
	}
}

// Delete deletes a link, and the other end of a veth pair with it.
func (n *Namespace) Delete(t testing.TB, name string) {
	t.Helper()
	index := n.Link(t, name).Index
	if err := n.route(func(c *rtnetlink.Conn) error { return c.Link.Delete(index) }); err != nil {
		t.Fatalf("delete link %s: %v", name, err)
	}
}

// AddAddr gives a link an IPv4 address with the length of its network's
// prefix, such as 10.9.0.1/24.
func (n *Namespace) AddAddr(t testing.TB, name, prefix string) {
	t.Helper()
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		t.Fatal(err)
	}
	ip := net.IP(p.Addr().AsSlice())
	address := &rtnetlink.AddressMessage{
		Family:       unix.AF_INET,
		PrefixLength: uint8(p.Bits()),
		Index:        n.Link(t, name).Index,
		Attributes:   &rtnetlink.AddressAttributes{Address: ip, Local: ip},
	}
	if err := n.route(func(c *rtnetlink.Conn) error { return c.Address.New(address) }); err != nil {
		t.Fatalf("add address %s to link %s: %v", prefix, name, err)
	}
}

// Stats returns the kernel's counters of a link.
func (n *Namespace) Stats(t testing.TB, name string) rtnetlink.LinkStats64 {
	t.Helper()
	stats := n.Link(t, name).Attributes.Stats64
	if stats == nil {
		t.Fatalf("link %s: no statistics", name)
	}
	return *stats
}

// Link returns what the kernel says of a link: its index, flags, and
// attributes.
func (n *Namespace) Link(t testing.TB, name string) rtnetlink.LinkMessage {
	t.Helper()
	link, _, err := n.link(name)
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	return link
}

// Promiscuity returns how many have asked for a link to be promiscuous and
// have not yet taken it back (IFLA_PROMISCUITY).
func (n *Namespace) Promiscuity(t testing.TB, name string) int {
	t.Helper()
	_, message, err := n.link(name)
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	// rtnetlink leaves this attribute out of what it decodes.
	attributes, err := netlink.NewAttributeDecoder(message.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	for attributes.Next() {
		if attributes.Type() == unix.IFLA_PROMISCUITY {
			return int(attributes.Uint32())
		}
	}
	t.Fatalf("link %s: the kernel doesn't give its promiscuity (%v)", name, attributes.Err())
	return 0
}

func (n *Namespace) link(name string) (link rtnetlink.LinkMessage, message netlink.Message, err error) {
	err = n.route(func(c *rtnetlink.Conn) error {
		if _, err := c.Send(&rtnetlink.LinkMessage{}, unix.RTM_GETLINK, netlink.Request|netlink.Dump); err != nil {
			return err
		}
		links, messages, err := c.Receive()
		if err != nil {
			return err
		}
		for i := range links {
			if l, ok := links[i].(*rtnetlink.LinkMessage); ok && l.Attributes.Name == name {
				link, message = *l, messages[i]
				return nil
			}
		}
		return errors.New("no such link")
	})
	return link, message, err
}

// route calls f with a route netlink connection into the namespace.
func (n *Namespace) route(f func(*rtnetlink.Conn) error) error {
	c, err := rtnetlink.Dial(&netlink.Config{NetNS: n.fd})
	if err != nil {
		return fmt.Errorf("route netlink: %w", err)
	}
	defer c.Close()
	return f(c)
}
