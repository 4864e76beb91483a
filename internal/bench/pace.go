//go:build linux

package main

import (
	"net"
	"strconv"
	"time"

	"github.com/mdlayher/packet"
)

// paced sends frames of 200 bytes at a steady rate, a second's number of them, for so
// many seconds, from processor 0.
func (n *network) paced(perSecond, seconds int) error {
	cmd, err := ourselves(n.ctx, in(n.generator, "0"), modePace, strconv.Itoa(perSecond), strconv.Itoa(perSecond*seconds))
	if err != nil {
		return err
	}
	_, err = n.run(cmd.Args...)
	return err
}

// pace sends so many frames a second, so many in all, by the clock: a frame that is
// late doesn't make the next one late.
func pace(args []string) error {
	perSecond, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	ifi, err := net.InterfaceByName("g0")
	if err != nil {
		return err
	}
	to, err := net.ParseMAC(captureMAC)
	if err != nil {
		return err
	}
	// A socket of protocol 0 receives nothing: packet(7).
	c, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	frame := make([]byte, 200)
	copy(frame, to)
	copy(frame[6:], ifi.HardwareAddr)
	frame[12], frame[13] = 0x88, 0xb5 // for experiments: IEEE 802
	begun := time.Now()
	for i := range count {
		due := time.Duration(i) * time.Second / time.Duration(perSecond)
		// Sleep is some tens of microseconds late: the last of them are spent
		// looking at the clock.
		const coarse = 200 * time.Microsecond
		if wait := due - time.Since(begun); wait > coarse {
			time.Sleep(wait - coarse)
		}
		for time.Since(begun) < due {
		}
		if _, err := c.WriteTo(frame, &packet.Addr{HardwareAddr: to}); err != nil {
			return err
		}
	}
	return nil
}
