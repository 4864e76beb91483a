package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode"

	"netcap/capture"
	"netcap/internal/daemon"
	"netcap/internal/docker"
	"netcap/internal/record"
	"netcap/pcapfile"
)

// checkInterface refuses what no interface, network or container can ever be called.
func checkInterface(name string) error {
	switch rest := strings.TrimPrefix(strings.TrimPrefix(name, docker.NetworkPrefix), docker.ContainerPrefix); {
	case !docker.IsName(name):
		return capture.CheckName(name)
	case rest == "", strings.ContainsFunc(rest, unicode.IsSpace):
		return fmt.Errorf("%q: a network or container has a name, without white space", name)
	}
	return nil
}

// resolve has a capture ask the kernel for interfaces that are named by an alternative name,
// and Docker for those that are named by its words.
func (o *captureOptions) resolve(cfg *record.Config) error {
	cfg.Resolve = func(name string) (string, error) { return ownName(name), nil }
	if !slices.ContainsFunc(cfg.Interfaces, docker.IsName) {
		return nil
	}
	engine, err := docker.FromEnvironment()
	if err != nil {
		return usageError{err}
	}
	o.engine = engine
	r := &docker.Resolver{Engine: engine}
	cfg.Resolve = func(name string) (string, error) {
		if docker.IsName(name) {
			return r.Interface(context.Background(), name)
		}
		return ownName(name), nil
	}
	return nil
}

// ownName is the name of an interface itself, of which name is perhaps an alternative one;
// name as long as there is none.
func ownName(name string) string {
	if own, err := capture.OwnName(name); err == nil {
		return own
	}
	return name
}

// askDocker has the capture be able to ask Docker once it is confined, by a process that is
// started before: where an interface has a name of Docker's, or Docker's socket is there. It
// returns a function that ends the process.
func (o *captureOptions) askDocker(log *daemon.Log) (end func(), err error) {
	end = func() {}
	named := o.engine != nil
	if !named {
		if o.engine, err = docker.FromEnvironment(); err == nil && !o.engine.There() {
			o.engine, err = nil, errors.New("the socket of Docker isn't there")
		}
		if err != nil {
			log.Debug("containers are not named", "because", err)
			return end, nil
		}
	}
	if o.noSandbox {
		return end, nil
	}
	gate, err := docker.StartGate("/proc/self/exe")
	if err != nil {
		return end, err
	}
	o.engine.Through(gate)
	return func() {
		if err := gate.Close(); err != nil {
			log.Warn("the process that asks Docker", "error", err)
		}
	}, nil
}

// patienceWithDocker is how long the first file waits for the names of containers.
const patienceWithDocker = time.Second

// nameContainers has the files of a recording say which container has which address, as
// far as Docker can be asked, until ctx is done. The first names are there when it
// returns. It returns a function that waits for the end.
func nameContainers(ctx context.Context, engine *docker.Engine, rec *record.Recorder, log *daemon.Log) (wait func()) {
	if engine == nil {
		return func() {}
	}
	set := func(names []docker.Name) {
		out := make([]pcapfile.Name, len(names))
		for i, n := range names {
			out[i] = pcapfile.Name{Addr: n.Addr, Names: []string{n.Name}}
		}
		rec.SetNames(out)
	}
	first, cancel := context.WithTimeout(ctx, patienceWithDocker)
	defer cancel()
	if names, err := engine.Names(first); err == nil { // else the watch says why
		set(names)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		engine.WatchNames(ctx, set, func(err error) { log.Debug("containers are not named", "because", err) })
	}()
	return func() { <-done }
}

// dockerUses says what Docker has behind interfaces, by their names: nothing where
// there is no Docker.
func dockerUses(ctx context.Context) (map[string]docker.Use, error) {
	engine, err := docker.FromEnvironment()
	if err != nil {
		return nil, err
	}
	uses, err := engine.Uses(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return uses, err
}

// dockerNames are what -i can be by Docker's words.
func dockerNames() (names []string) {
	engine, err := docker.FromEnvironment()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceWithDocker)
	defer cancel()
	if networks, err := engine.Networks(ctx); err == nil {
		for _, n := range networks {
			if n.Bridge != "" {
				names = append(names, docker.NetworkPrefix+n.Name)
			}
		}
	}
	if containers, err := engine.Containers(ctx); err == nil {
		for _, c := range containers {
			names = append(names, docker.ContainerPrefix+c.Name)
		}
	}
	return names
}
