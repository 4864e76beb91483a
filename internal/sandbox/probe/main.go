//go:build linux

// Probe confines itself as a process of netcap's does and tries what it can do then, for the
// tests of package sandbox: it prints a line for each ability and each different result on
// its threads. Its arguments are which process (free is one that gives up nothing), a
// directory of the set's, one elsewhere, and the ID of another process; or, instead of the
// last, which foreign table of system calls to use.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"netcap/internal/sandbox"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// threads is how many there are before the process confines itself, and how many come after.
const threads = 4

func run(who, set, elsewhere, other string) (err error) {
	tries, done := make(chan func()), make(chan struct{})
	thread := func() {
		runtime.LockOSThread()
		for try := range tries {
			try()
			done <- struct{}{}
		}
	}
	for range threads {
		go thread()
	}
	table := ""
	p := &place{set: set, elsewhere: elsewhere, other: os.Getppid()}
	if slices.Contains([]string{"i386", "x32"}, other) {
		table = other
	} else if p.other, err = strconv.Atoi(other); err != nil {
		return err
	}
	if err := p.open(); err != nil {
		return err
	}
	lacks, err := confine(who, set)
	if err != nil {
		return err
	}
	fmt.Printf("lacks\t\t%s\n", strings.Join(lacks, "; "))
	if table != "" {
		fmt.Println("ready")
		fmt.Printf("survived\t\t%d\n", foreign(table))
		return nil
	}
	for range threads {
		go thread()
	}
	for _, a := range abilities {
		var results []string
		may := false // on one of them
		for range 2 * threads {
			tries <- func() {
				err := a.try(p)
				may = may || !refused(err)
				if text := fmt.Sprint(err); !slices.Contains(results, text) {
					results = append(results, text)
				}
			}
			<-done
		}
		fmt.Printf("%s\t%t\t%s\n", a.name, may, strings.Join(results, "; "))
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // until the test has looked
	return err
}

// confine has the process be one of netcap's.
func confine(who, set string) (lacks []string, err error) {
	var r *sandbox.Result
	switch who {
	case "capture":
		r, err = sandbox.Confine(&sandbox.Config{Write: []string{set}})
	case "reader":
		r, err = sandbox.Isolate()
	case "helper":
		r, err = &sandbox.Result{}, sandbox.Serve(nil)
	case "gate":
		r, err = sandbox.Connect(set)
	case "free":
		return nil, nil
	default:
		err = fmt.Errorf("no process is called %s", who)
	}
	if err != nil {
		return nil, err
	}
	return r.Lacks, nil
}
