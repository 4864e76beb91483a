//go:build linux

package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The summary is netcap's: 1000 packets came, 900 were written.
func TestAddsUp(t *testing.T) {
	const said = "900 packets captured\n1000 packets received by filter\n60 packets dropped by kernel\n" +
		"40 packets dropped because they could not be written\n"
	for name, c := range map[string]struct {
		r    result
		said string
		want error
	}{
		"right":                   {result{sent: 1000, written: 900}, said, nil},
		"fewer in the file":       {result{sent: 1000, written: 899}, said, errSums},
		"more were sent":          {result{sent: 1001, written: 900}, said, errSums},
		"some are unaccounted":    {result{sent: 1000, written: 900}, "900 packets captured\n1000 packets received by filter\n", errSums},
		"nothing at all was said": {result{sent: 1, written: 1}, "", errSums},
		"one packet":              {result{sent: 1, written: 1}, "1 packet captured\n1 packet received by filter\n", nil},
	} {
		t.Run(name, func(t *testing.T) { assert.True(t, errors.Is(addsUp(c.r, c.said), c.want)) })
	}
}
