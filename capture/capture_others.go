//go:build !linux

package capture

import (
	"errors"
	"fmt"
	"runtime"
)

// Handle is an open capture. AF_PACKET is Linux's, so there is none here.
type Handle struct{}

// Batch is a block of the ring on lease.
type Batch struct{}

var errUnsupported = fmt.Errorf("capturing packets on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Open returns an error that is errors.ErrUnsupported.
func Open(*Config) (*Handle, error) { return nil, errUnsupported }

// New returns an error that is errors.ErrUnsupported.
func New(Socket, *Config) (*Handle, error) { return nil, errUnsupported }

// OpenGroup returns an error that is errors.ErrUnsupported.
func OpenGroup(*Config, int) ([]*Handle, error) { return nil, errUnsupported }

// Threads is 1.
func Threads(string) int { return 1 }

// CheckFilter returns an error that is errors.ErrUnsupported.
func CheckFilter(*Config) error { return errUnsupported }

// CheckName returns an error that is errors.ErrUnsupported.
func CheckName(string) error { return errUnsupported }

// OwnName returns an error that is errors.ErrUnsupported.
func OwnName(string) (string, error) { return "", errUnsupported }

// LinkOf returns an error that is errors.ErrUnsupported.
func LinkOf(string) (Link, error) { return Link{}, errUnsupported }

// DefaultRoute returns an error that is errors.ErrUnsupported.
func DefaultRoute() (string, error) { return "", errUnsupported }

func (*Handle) Link() (Link, error)             { return Link{}, errUnsupported }
func (*Handle) Next() (*Batch, error)           { return nil, errUnsupported }
func (*Handle) Mode() (string, error)           { return "", errUnsupported }
func (*Handle) Stop() error                     { return errUnsupported }
func (*Handle) InterfaceDrops() (uint64, error) { return 0, errUnsupported }
func (*Handle) Stats() (Stats, error)           { return Stats{}, errUnsupported }
func (*Handle) Close() error                    { return errUnsupported }
func (*Batch) Len() int                         { return 0 }
func (*Batch) Next(*Packet) bool                { return false }
func (*Batch) Peek(*Raw) bool                   { return false }
func (*Batch) TimedOut() bool                   { return false }
func (*Batch) Err() error                       { return errUnsupported }
func (*Batch) Release()                         {}
