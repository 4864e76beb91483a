package capture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Open starts to capture on an interface. Packets are received from the moment
// it returns; ring and filter stand before the first of them.
//
// Errors: ErrNoInterface with the names there are; os.ErrPermission, which says
// what is needed; a FilterError; and what the kernel refuses otherwise, named.
func Open(cfg *Config) (*Handle, error) {
	c, ifi, program, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	h, err := open(&c, ifi, program)
	if refused := (*FilterError)(nil); c.Unfiltered && errors.As(err, &refused) {
		h, err = open(&c, ifi, nil)
	}
	return h, err
}

// prepare finds out what a Handle is to be opened with. The program is nil if it would
// accept every packet.
func prepare(cfg *Config) (c Config, ifi *net.Interface, program []bpf.RawInstruction, err error) {
	if c, err = cfg.withDefaults(); err != nil {
		return c, nil, nil, err
	}
	if ifi, err = lookup(c.Interface); err != nil {
		return c, nil, nil, err
	}
	program, err = compose(&c, ifi)
	return c, ifi, program, err
}

// open opens a socket with a ring, or without where none can be had.
func open(c *Config, ifi *net.Interface, program []bpf.RawInstruction) (h *Handle, err error) {
	if c.NoRing {
		h, err = openMessages(c, ifi, program, errors.New("not asked for"))
	} else if h, err = openRing(c, ifi, program); errors.Is(err, errNoRing) {
		h, err = openMessages(c, ifi, program, err)
	}
	if err != nil {
		return nil, err
	}
	h.missed = missedSince(ifi.Index)
	h.direction, h.loopback, h.all = c.Direction, ifi.Flags&net.FlagLoopback != 0, ifi.Index == 0
	return h, nil
}

// lookup finds an interface; for Any it has index 0 and no address.
func lookup(name string) (*net.Interface, error) {
	if name == Any {
		return &net.Interface{Name: Any}, nil
	}
	ifi, err := byName(name)
	if err == nil {
		return ifi, nil
	}
	all, listErr := net.Interfaces()
	if listErr != nil {
		return nil, fmt.Errorf("interface %q: %w", name, errors.Join(err, listErr))
	}
	names := make([]string, 0, len(all)+1)
	for i := range all {
		if all[i].Name == name {
			return nil, fmt.Errorf("interface %q: %w", name, err)
		}
		names = append(names, all[i].Name)
	}
	return nil, fmt.Errorf("interface %q: %w; there are %s", name, ErrNoInterface, strings.Join(append(names, Any), ", "))
}

// explain turns what opening an AF_PACKET socket failed with into what to do.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("capturing on %s: %w: it needs CAP_NET_RAW: run with sudo, or once: sudo setcap cap_net_raw+ep %s", name, os.ErrPermission, executable())
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("interface %q: %w", name, ErrNoInterface)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("capturing on %s: the kernel has no AF_PACKET sockets (CONFIG_PACKET): %w", name, err)
	}
	return fmt.Errorf("capturing on %s: %w", name, err)
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
