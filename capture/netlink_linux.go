package capture

import (
	"errors"
	"fmt"
	"net"

	"github.com/jsimonetti/rtnetlink/v2"
	"golang.org/x/sys/unix"
)

// DefaultRoute returns the name of the interface that the default route leads
// through, IPv4's before IPv6's, the one of the lowest metric first. Where
// there is none, the error is ErrNoInterface.
func DefaultRoute() (string, error) {
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return "", fmt.Errorf("looking for the default route: %w", err)
	}
	defer conn.Close()
	routes, err := conn.Route.List()
	if err != nil {
		return "", fmt.Errorf("looking for the default route: %w", err)
	}
	var best *rtnetlink.RouteMessage
	for i := range routes {
		r := &routes[i]
		if r.DstLength != 0 || r.Attributes.OutIface == 0 || r.Type != unix.RTN_UNICAST || r.Table != unix.RT_TABLE_MAIN {
			continue
		}
		// AF_INET is the lesser number.
		if best == nil || r.Family < best.Family || r.Family == best.Family && r.Attributes.Priority < best.Attributes.Priority {
			best = r
		}
	}
	if best == nil {
		return "", fmt.Errorf("%w that a default route leads through", ErrNoInterface)
	}
	ifi, err := net.InterfaceByIndex(int(best.Attributes.OutIface))
	if err != nil {
		return "", errors.Join(ErrNoInterface, err)
	}
	return ifi.Name, nil
}

// LinkOf tells of an interface what Open would bind to, without privileges. Its
// error is ErrNoInterface for a name that no interface has.
func LinkOf(name string) (Link, error) {
	ifi, err := lookup(name)
	if err != nil {
		return Link{}, err
	}
	if ifi.Index == 0 {
		return Link{Up: true}, nil
	}
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return Link{}, fmt.Errorf("interface %q: %w", name, err)
	}
	defer conn.Close()
	link, err := conn.Link.Get(uint32(ifi.Index))
	if err != nil {
		return Link{}, fmt.Errorf("interface %q: %w", name, err)
	}
	return Link{Index: ifi.Index, HardwareType: link.Type, Up: link.Flags&unix.IFF_UP != 0}, nil
}

// missedSince returns a function that counts what an interface misses from now
// on, or nil where it doesn't say. The counters are 64 bits wide and the
// interface's own: others may have them set to 0.
func missedSince(index int) func() (uint64, error) {
	base, err := missed(index)
	if err != nil {
		return nil
	}
	return func() (uint64, error) {
		now, err := missed(index)
		if err != nil || now < base {
			return 0, errors.Join(ErrNoCount, err)
		}
		return now - base, nil
	}
}

func missed(index int) (uint64, error) {
	if index == 0 {
		return 0, ErrNoCount
	}
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	link, err := conn.Link.Get(uint32(index))
	if err != nil {
		return 0, err
	}
	if link.Attributes == nil || link.Attributes.Stats64 == nil {
		return 0, ErrNoCount
	}
	return link.Attributes.Stats64.RXMissedErrors + link.Attributes.Stats64.RXFIFOErrors, nil
}
