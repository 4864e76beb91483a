package filter_test

import (
	"errors"
	"fmt"

	"netcap/capture/filter"
)

func ExampleCompile() {
	p, err := filter.Compile("udp dst port 9", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	frame := make([]byte, 60)
	copy(frame[12:], []byte{0x08, 0x00, 0x45}) // IPv4, 20 bytes of header
	frame[23] = 17                             // UDP
	frame[37] = 9                              // the port
	fmt.Println(p.Match(frame, len(frame)))
	frame[37] = 10
	fmt.Println(p.Match(frame, len(frame)))
	// Output:
	// true
	// false
}

func ExampleError() {
	_, err := filter.Compile("tcp port 104 and hots 10.0.0.1", nil)
	var e *filter.Error
	if errors.As(err, &e) {
		fmt.Println(e)
		fmt.Println(e.Caret())
	}
	// Output:
	// filter: expected and, or, or the end, not "10.0.0.1" at "10.0.0.1"
	// tcp port 104 and hots 10.0.0.1
	//                       ^^^^^^^^
}

func ExampleProgram_Dump() {
	p, err := filter.Compile("ip6 or arp", &filter.Config{LinkType: filter.LinkTypeEthernet, SnapLen: 128})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p.Dump(filter.Decimal))
	// Output:
	// 5
	// 40 0 0 12
	// 21 1 0 34525
	// 21 0 1 2054
	// 6 0 0 128
	// 6 0 0 0
}

func ExampleProgram_Kernel() {
	p, err := filter.Compile("ip6 protochain 58", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Kernel())
	fmt.Println(p.Instructions() == nil)
	// Output:
	// filter: protochain needs a loop, which the kernel's filters don't have at "ip6 protochain 58"
	// true
}
