package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"time"
)

// Name is an address and the container that has it.
type Name struct {
	Addr netip.Addr
	Name string
}

// Names returns the addresses of the containers that run, in the order of the
// containers' names.
func (e *Engine) Names(ctx context.Context) ([]Name, error) {
	containers, err := e.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var names []Name
	for _, c := range containers {
		for _, n := range c.Networks {
			for _, addr := range n.Addrs {
				names = append(names, Name{addr, c.Name})
			}
		}
	}
	return names, nil
}

// Between attempts to reach an engine that has gone away.
const (
	shortestPause = 2 * time.Second
	longestPause  = time.Minute
)

// WatchNames calls changed with the names as they are, and again when they may have
// changed, until ctx is done. It sleeps meanwhile; an engine that isn't there is tried
// again every minute at least. failed is told why one can't be asked, once while that
// doesn't change.
func (e *Engine) WatchNames(ctx context.Context, changed func([]Name), failed func(error)) {
	pause, said := longestPause, ""
	for {
		err := e.follow(ctx, func(names []Name) {
			// One that answered will be back soon; another may not be there at all.
			pause, said = shortestPause, ""
			changed(names)
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// follow reads the engine's events until it ends the connection.
func (e *Engine) follow(ctx context.Context, changed func([]Name)) error {
	const filter = `{"type":["container","network"],"event":["start","die","rename","connect","disconnect"]}`
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The events begin before the list is made: nothing lies between.
	events, err := e.open(ctx, "/events?filters="+url.QueryEscape(filter))
	if err != nil {
		return err
	}
	defer events.Close()
	decoder := json.NewDecoder(events)
	for {
		names, err := e.Names(ctx)
		if err != nil {
			return err
		}
		changed(names)
		var event struct{} // what happened is in the list
		if err := decoder.Decode(&event); err != nil {
			return errors.Join(errors.New("the Docker engine has ended"), err)
		}
	}
}
