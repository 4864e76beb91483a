package links

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Info is what the kernel says of an interface.
type Info struct {
	Index  int
	Name   string
	Up     bool
	Master int // index of the bridge or bond that it belongs to, 0 for none
	// Kind is what it was made as, "veth" or "bridge" for two, and "" for hardware.
	Kind string
	// Peer is the index of its other end, or of what it is on; 0 for none. It may be in
	// another network namespace.
	Peer int
	// Gone says that the interface was deleted.
	Gone bool

	namespace int // Peer's network namespace, as namespaceOf numbers it
}

// List returns the interfaces there are.
func List() ([]Info, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	defer conn.Close()
	links, err := dump(conn)
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	return links, nil
}

func dump(conn *netlink.Conn) ([]Info, error) {
	messages, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfInfomsg),
	})
	if err != nil {
		return nil, err
	}
	links := make([]Info, 0, len(messages))
	for _, m := range messages {
		if l, ok := parse(m); ok {
			links = append(links, l)
		}
	}
	return links, nil
}

// Watch calls changed for each interface there is and then for each that is made,
// renamed, set up or down, or deleted, until ctx is done. It is woken by the kernel, and
// by nothing else. The error is nil where ctx ended it.
func Watch(ctx context.Context, changed func(Info)) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK})
	if err != nil {
		return fmt.Errorf("watching interfaces: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for lost := true; ; {
		if lost { // at first, all of it
			links, err := List() // of a socket of its own: this one has events between the answers
			if err != nil {
				return err
			}
			for _, l := range links {
				changed(l)
			}
			lost = false
		}
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // more happened than the socket holds
			lost = true
		case err != nil:
			return fmt.Errorf("watching interfaces: %w", err)
		}
		for _, m := range messages {
			if l, ok := parse(m); ok {
				changed(l)
			}
		}
	}
}

// parse reads a message of type RTM_NEWLINK or RTM_DELLINK, rtnetlink(7).
func parse(m netlink.Message) (l Info, ok bool) {
	// AF_BRIDGE is about a port of a bridge, which may leave that without being deleted.
	if m.Header.Type != unix.RTM_NEWLINK && m.Header.Type != unix.RTM_DELLINK ||
		len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] == unix.AF_BRIDGE {
		return l, false
	}
	l.Gone = m.Header.Type == unix.RTM_DELLINK
	l.Index = int(int32(binary.NativeEndian.Uint32(m.Data[4:])))
	l.Up = binary.NativeEndian.Uint32(m.Data[8:])&unix.IFF_UP != 0
	l.namespace = -1
	attributes, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		return l, false
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.IFLA_IFNAME:
			l.Name = attributes.String()
		case unix.IFLA_MASTER:
			l.Master = int(attributes.Uint32())
		case unix.IFLA_LINK:
			l.Peer = int(attributes.Uint32())
		case unix.IFLA_LINK_NETNSID:
			l.namespace = int(attributes.Int32())
		case unix.IFLA_LINKINFO:
			attributes.Nested(func(info *netlink.AttributeDecoder) error {
				for info.Next() {
					if info.Type() == unix.IFLA_INFO_KIND {
						l.Kind = info.String()
					}
				}
				return nil
			})
		}
	}
	return l, attributes.Err() == nil && l.Name != ""
}

// ByAlternative returns the name of the interface that has another one as an alternative name,
// "" where none has, or the kernel, before Linux 5.5, knows of no such names.
func ByAlternative(name string) (string, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	request := netlink.NewAttributeEncoder()
	request.String(unix.IFLA_ALT_IFNAME, name)
	data, err := request.Encode()
	if err != nil {
		return "", err
	}
	messages, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request},
		Data:   append(make([]byte, unix.SizeofIfInfomsg), data...),
	})
	if err != nil {
		return "", err
	}
	for _, m := range messages {
		if l, ok := parse(m); ok {
			return l.Name, nil
		}
	}
	return "", nil
}

// ErrNoProcess is what Into returns for a process that isn't there, or isn't in
// this PID namespace.
var ErrNoProcess = errors.New("no such process")

// namespaceOf returns the number by which this network namespace knows that of a
// process (RTM_GETNSID), -1 if that is this one or no link leads to it.
func namespaceOf(pid int) (int, error) {
	const (
		getNSID      = 90 // RTM_GETNSID, linux/rtnetlink.h
		attributeID  = 1  // NETNSA_NSID and NETNSA_PID, linux/net_namespace.h
		attributePID = 2
	)
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return 0, fmt.Errorf("network namespace of process %d: %w", pid, err)
	}
	defer conn.Close()
	request := netlink.NewAttributeEncoder()
	request.Uint32(attributePID, uint32(pid))
	data, err := request.Encode()
	if err != nil {
		return 0, err
	}
	messages, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: getNSID, Flags: netlink.Request},
		Data:   append(make([]byte, 4), data...), // struct rtgenmsg, padded
	})
	if errors.Is(err, unix.ESRCH) {
		err = ErrNoProcess
	}
	if err != nil {
		return 0, fmt.Errorf("network namespace of process %d: %w", pid, err)
	}
	for _, m := range messages {
		if len(m.Data) < 4 {
			continue
		}
		attributes, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return 0, err
		}
		for attributes.Next() {
			if attributes.Type() == attributeID {
				return int(attributes.Int32()), nil
			}
		}
	}
	return 0, fmt.Errorf("network namespace of process %d: the kernel doesn't say", pid)
}

// Into returns the interfaces here whose other end is in the network namespace of
// a process: of a container's, the host's side. The error is ErrNoProcess where there is
// no such process.
func Into(pid int) ([]Info, error) {
	id, err := namespaceOf(pid)
	if err != nil || id < 0 {
		return nil, err
	}
	all, err := List()
	if err != nil {
		return nil, err
	}
	var into []Info
	for _, l := range all {
		if l.namespace == id {
			into = append(into, l)
		}
	}
	return into, nil
}
