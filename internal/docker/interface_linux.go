package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync"

	"netcap/capture"
	"netcap/internal/links"
)

// Interfaces are named by these where Docker knows which is meant.
const (
	NetworkPrefix   = "docker:"
	ContainerPrefix = "container:"
)

// IsName reports whether an interface is named by Docker's words for it.
func IsName(name string) bool {
	return strings.HasPrefix(name, NetworkPrefix) || strings.HasPrefix(name, ContainerPrefix)
}

// Resolver finds the interfaces of this machine that Docker's names mean.
type Resolver struct {
	Engine *Engine

	mu sync.Mutex
	// chosen is the network by which a container was found, for when it comes back with
	// more than one.
	chosen map[string]string
}

// Interface returns the interface that is meant now by docker:NETWORK, the bridge of a
// network, or by container:NAME or container:NAME/NETWORK, the host's end of what joins
// a container to its network. Any other name is returned as it is.
//
// The error is capture.ErrNoInterface where there is none now and may be one later:
// also while Docker doesn't answer.
func (r *Resolver) Interface(ctx context.Context, name string) (string, error) {
	if network, ok := strings.CutPrefix(name, NetworkPrefix); ok {
		return r.bridge(ctx, network)
	}
	if container, ok := strings.CutPrefix(name, ContainerPrefix); ok {
		container, network, _ := strings.Cut(container, "/")
		return r.host(ctx, container, network)
	}
	return name, nil
}

// absent says that something is not there yet, and why.
func absent(what string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", what, capture.ErrNoInterface, err)
}

func (r *Resolver) bridge(ctx context.Context, name string) (string, error) {
	what := "Docker network " + name
	n, err := r.Engine.Network(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		all, listErr := r.Engine.Networks(ctx)
		var names []string
		for _, n := range all {
			names = append(names, n.Name)
		}
		return "", absent(what, errors.Join(fmt.Errorf("there are %s", listed(names)), listErr))
	case err != nil:
		return "", absent(what, err)
	case n.Bridge != "":
		return n.Bridge, nil
	case n.Driver == "host":
		return "", fmt.Errorf("%s has the machine's own interfaces: name one of them, or any", what)
	case n.Parent != "":
		return "", fmt.Errorf("%s is of the driver %s, without a bridge: capture its parent, -i %s", what, n.Driver, n.Parent)
	}
	return "", fmt.Errorf("%s is of the driver %s, which has no bridge to capture on", what, n.Driver)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (r *Resolver) host(ctx context.Context, name, network string) (string, error) {
	what := "container " + name
	c, err := r.Engine.Container(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		all, listErr := r.Engine.Containers(ctx)
		var names []string
		for _, c := range all {
			names = append(names, c.Name)
		}
		return "", absent(what, errors.Join(fmt.Errorf("those that run are %s", listed(names)), listErr))
	case err != nil:
		return "", absent(what, err)
	case c.Mode == "host":
		return "", fmt.Errorf("%s has the machine's own interfaces (--network host): name one of them, or any", what)
	case c.PID == 0:
		return "", absent(what, errors.New("it doesn't run"))
	}
	ends, err := links.Into(c.PID)
	if errors.Is(err, links.ErrNoProcess) {
		return "", absent(what, fmt.Errorf("its process %d has just ended, or netcap is in a container of its own, without the machine's PID namespace", c.PID))
	}
	if err != nil {
		return "", err
	}
	if network == "" && len(ends) > 1 {
		r.mu.Lock()
		network = r.chosen[name]
		r.mu.Unlock()
		if network == "" {
			return "", fmt.Errorf("%s is in several networks: name one of them: %s", what, choices(name, c.Networks))
		}
	}
	if network == "" && len(c.Networks) == 1 {
		network = c.Networks[0].Network
	}
	if network != "" && len(c.Networks) > 0 {
		if ends, err = r.inNetwork(ctx, c, ends, network); err != nil {
			return "", err
		}
	}
	if len(ends) == 0 {
		return "", absent(what, errors.New("it has no interface with an end on this machine"))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.chosen == nil {
		r.chosen = make(map[string]string)
	}
	r.chosen[name] = network
	return ends[0].Name, nil
}

// inNetwork returns those of a container's interfaces that join it to a network.
func (r *Resolver) inNetwork(ctx context.Context, c *Container, ends []links.Info, network string) ([]links.Info, error) {
	what := "container " + c.Name
	for _, e := range c.Networks {
		if e.Network != network {
			continue
		}
		n, err := r.Engine.Network(ctx, e.NetworkID)
		if err != nil {
			return nil, absent(what, err)
		}
		if n.Bridge == "" {
			return nil, fmt.Errorf("%s is in the network %s by the driver %s, which gives it no end on this machine", what, network, n.Driver)
		}
		bridge, err := net.InterfaceByName(n.Bridge)
		if err != nil {
			return nil, absent(what, err)
		}
		for _, l := range ends {
			if l.Master == bridge.Index {
				return []links.Info{l}, nil
			}
		}
		return nil, nil
	}
	return nil, absent(what, fmt.Errorf("it isn't in the network %s: %s", network, choices(c.Name, c.Networks)))
}

func choices(name string, networks []Endpoint) string {
	var words []string
	for _, n := range networks {
		words = append(words, "-i "+ContainerPrefix+name+"/"+n.Network)
	}
	return listed(words)
}
