// Isstatic checks that ELF programs are static: they ask for no dynamic loader
// and no shared library.
//
//	go run ./scripts/isstatic FILE…
package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
)

func main() {
	status := 0
	for _, path := range os.Args[1:] {
		machine, err := check(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			status = 1
			continue
		}
		fmt.Printf("%s: static, %v\n", path, machine)
	}
	os.Exit(status)
}

func check(path string) (elf.Machine, error) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return 0, errors.New("not static: it names a dynamic loader")
		}
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return 0, err
	}
	if len(libraries) > 0 {
		return 0, fmt.Errorf("not static: it needs %v", libraries)
	}
	return f.Machine, nil
}
