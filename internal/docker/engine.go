package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultSocket is where an engine listens if nothing else is said.
const DefaultSocket = "/var/run/docker.sock"

// Engine is a Docker engine.
type Engine struct {
	socket string
	client http.Client
	gated  bool // a Gate asks it
}

// There reports whether the engine's socket is.
func (e *Engine) There() bool {
	_, err := os.Stat(e.socket)
	return err == nil
}

// ErrNotFound is what Container and Network return where the engine has none of the
// name.
var ErrNotFound = errors.New("not found")

// FromEnvironment returns the engine that DOCKER_HOST names, else the one of
// DefaultSocket. Only a Unix socket will do: the interfaces are this machine's.
func FromEnvironment() (*Engine, error) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		return New(DefaultSocket), nil
	}
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("DOCKER_HOST=%s: the engine must be this machine's, at unix:///PATH", host)
	}
	return New(socket), nil
}

// New returns the engine that listens on a Unix socket.
func New(socket string) *Engine {
	e := &Engine{socket: socket}
	e.client.Transport = &http.Transport{
		DisableKeepAlives: true, // it is asked seldom
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	return e
}

// A Container is what the engine says of a container.
type Container struct {
	ID, Name string
	// PID is the first process of it, 0 while it doesn't run.
	PID int
	// Mode is its network mode: "host" where the machine's interfaces are its own.
	Mode     string
	Networks []Endpoint
}

// An Endpoint is a container's place in a network.
type Endpoint struct {
	NetworkID, Network string
	Addrs              []netip.Addr
}

// A Network is what the engine says of a network.
type Network struct {
	ID, Name string
	Driver   string
	// Bridge is the interface that its containers are joined by, "" where the driver
	// has none.
	Bridge string
	// Parent is the interface that a network of the drivers macvlan and ipvlan is on.
	Parent string
}

// Container returns the container of a name or an ID.
func (e *Engine) Container(ctx context.Context, name string) (*Container, error) {
	var c struct {
		ID, Name   string
		State      struct{ Pid int }
		HostConfig struct{ NetworkMode string }
		endpoints
	}
	if err := e.get(ctx, "/containers/"+url.PathEscape(name)+"/json", &c); err != nil {
		return nil, fmt.Errorf("container %s: %w", name, err)
	}
	return &Container{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), PID: c.State.Pid, Mode: c.HostConfig.NetworkMode, Networks: c.list()}, nil
}

// Containers returns those that run. Their PID is not said.
func (e *Engine) Containers(ctx context.Context) ([]Container, error) {
	var answer []struct {
		ID         string `json:"Id"`
		Names      []string
		HostConfig struct{ NetworkMode string }
		endpoints
	}
	if err := e.get(ctx, "/containers/json", &answer); err != nil {
		return nil, err
	}
	var all []Container
	for _, a := range answer {
		c := Container{ID: a.ID, Mode: a.HostConfig.NetworkMode, Networks: a.list()}
		for _, name := range a.Names {
			// Others are /OTHER/ALIAS: what it was called by links.
			if name := strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
				c.Name = name
			}
		}
		if c.Name != "" {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// endpoints is how the engine writes Container.Networks.
type endpoints struct {
	NetworkSettings struct {
		Networks map[string]struct{ NetworkID, IPAddress, GlobalIPv6Address string }
	}
}

func (n *endpoints) list() (all []Endpoint) {
	for name, network := range n.NetworkSettings.Networks {
		e := Endpoint{NetworkID: network.NetworkID, Network: name}
		for _, text := range []string{network.IPAddress, network.GlobalIPv6Address} {
			if addr, err := netip.ParseAddr(text); err == nil { // "" where it has none
				e.Addrs = append(e.Addrs, addr)
			}
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Endpoint) int { return strings.Compare(a.Network, b.Network) })
	return all
}

// network is how the engine writes a Network.
type network struct {
	ID           string `json:"Id"`
	Name, Driver string
	Options      map[string]string
}

func (n *network) decode() Network {
	out := Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Parent: n.Options["parent"]}
	if n.Driver == "bridge" {
		// The engine's own default: 12 digits of the ID.
		out.Bridge = "br-" + n.ID[:min(12, len(n.ID))]
		for _, option := range []string{"com.docker.network.bridge.name", "bridge_name"} {
			if name := n.Options[option]; name != "" {
				out.Bridge = name
			}
		}
	}
	return out
}

// Network returns the network of a name or an ID.
func (e *Engine) Network(ctx context.Context, name string) (*Network, error) {
	var n network
	if err := e.get(ctx, "/networks/"+url.PathEscape(name), &n); err != nil {
		return nil, fmt.Errorf("network %s: %w", name, err)
	}
	out := n.decode()
	return &out, nil
}

// Networks returns all networks.
func (e *Engine) Networks(ctx context.Context) ([]Network, error) {
	var answer []network
	if err := e.get(ctx, "/networks", &answer); err != nil {
		return nil, err
	}
	all := make([]Network, len(answer))
	for i := range answer {
		all[i] = answer[i].decode()
	}
	slices.SortFunc(all, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Bounds of an answer.
const (
	patience      = 5 * time.Second
	longestAnswer = 64 << 20
)

// get asks for an endpoint, and decodes the answer into into.
func (e *Engine) get(ctx context.Context, endpoint string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := e.open(ctx, endpoint)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, longestAnswer))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("the Docker engine's answer to %s: %w", endpoint, err)
	}
	return nil
}

// open asks for an endpoint and returns the body of the answer.
func (e *Engine) open(ctx context.Context, endpoint string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+endpoint, nil)
	if err != nil {
		return nil, err
	}
	answer, err := e.client.Do(request)
	if err != nil {
		var dial *net.OpError
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("the Docker engine's socket %s: %w: it needs root or the group docker", e.socket, fs.ErrPermission)
		case errors.As(err, &dial):
			return nil, fmt.Errorf("the Docker engine doesn't answer on %s (%w): is it running? DOCKER_HOST=unix:///PATH names another socket", e.socket, dial.Err)
		}
		return nil, fmt.Errorf("the Docker engine, on %s: %w", e.socket, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, ErrNotFound
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096)) // the status says enough
	if e.gated {
		return nil, gateErrorOf(answer.StatusCode, text)
	}
	var said struct{ Message string }
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		text = []byte(said.Message)
	}
	return nil, fmt.Errorf("the Docker engine answers %s: %s", answer.Status, bytes.TrimSpace(text))
}
