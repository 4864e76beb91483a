package docker

import (
	"context"
	"errors"

	"netcap/internal/links"
)

// Use is what Docker has behind an interface of this machine.
type Use struct {
	Network    string   // "" where that isn't known
	Containers []string // names of those that run
}

// Uses returns what is behind interfaces, by their names: a network's bridge has all its
// containers behind it, and the host's end of what joins a container to it that one.
func (e *Engine) Uses(ctx context.Context) (map[string]Use, error) {
	networks, err := e.Networks(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := e.Containers(ctx)
	if err != nil {
		return nil, err
	}
	here, err := links.List()
	if err != nil {
		return nil, err
	}
	uses := make(map[string]Use)
	bridges := make(map[int]string) // the networks of interfaces, by their indexes
	for _, n := range networks {
		if n.Bridge == "" {
			continue
		}
		use := Use{Network: n.Name}
		for _, c := range containers {
			for _, place := range c.Networks {
				if place.NetworkID == n.ID {
					use.Containers = append(use.Containers, c.Name)
				}
			}
		}
		uses[n.Bridge] = use
		for _, l := range here {
			if l.Name == n.Bridge {
				bridges[l.Index] = n.Name
			}
		}
	}
	for _, c := range containers {
		if c.Mode == "host" {
			continue
		}
		full, err := e.Container(ctx, c.ID)
		if errors.Is(err, ErrNotFound) || err == nil && full.PID == 0 {
			continue // it has just ended
		}
		if err != nil {
			return nil, err
		}
		into, err := links.Into(full.PID)
		if err != nil && !errors.Is(err, links.ErrNoProcess) {
			return nil, err
		}
		for _, l := range into {
			use := uses[l.Name]
			use.Network = bridges[l.Master]
			// Several containers may share a network namespace.
			use.Containers = append(use.Containers, c.Name)
			uses[l.Name] = use
		}
	}
	return uses, nil
}
