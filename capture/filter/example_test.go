package filter_test

import (
	"errors"
	"fmt"
	"testing/fstest"

	"netcap/capture/filter"
)

// syn opens a connection from 10.0.0.1 to port 104 of 10.0.0.2.
var syn = []byte("" +
	"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + // Ethernet
	"\x45\x00\x00\x28\x00\x01\x40\x00\x40\x06\x26\xcd\x0a\x00\x00\x01\x0a\x00\x00\x02" + // IPv4
	"\xc0\x00\x00\x68\x00\x00\x00\x00\x00\x00\x00\x00\x50\x02\xff\xff\x00\x00\x00\x00") // TCP

func Example() {
	p, err := filter.Compile("tcp port 104 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Match(syn, len(syn)))
	// Output: true
}

func ExampleCompile() {
	// For a packet socket on all interfaces, without asking any file of this machine.
	p, err := filter.Compile("inbound and udp port snmp", &filter.Config{
		LinkType: filter.LinkTypeLinuxSLL2,
		Live:     true,
		SnapLen:  256,
		Resolver: filter.Files{FS: fstest.MapFS{
			"services": {Data: []byte("snmp 161/udp # Simple Network Management Protocol\n")},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(p.Instructions()), p.Kernel())
	// Output: 22 <nil>
}

func ExampleProgram_Match() {
	p, err := filter.Compile("greater 1000 and src net 10.0.0.0/8", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// A snap length cut the second packet: it was longer on the wire.
	fmt.Println(p.Match(syn, len(syn)), p.Match(syn, 1514))
	// Output: false true
}

func ExampleProgram_Instructions() {
	p, err := filter.Compile("ip6", &filter.Config{LinkType: filter.LinkTypeRaw, SnapLen: 96})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, i := range p.Instructions() {
		fmt.Println(i.Disassemble())
	}
	// Output:
	// ldb [0]
	// jlt #96,2
	// jge #112,1
	// ret #96
	// ret #0
}

func ExampleProgram_Kernel() {
	p, err := filter.Compile("ip6 protochain 58", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Kernel())
	fmt.Println(errors.Is(p.Kernel(), filter.ErrNotForKernel))
	// Output:
	// filter: protochain needs a loop, which the kernel's filters don't have
	// true
}

func ExampleError_Caret() {
	_, err := filter.Compile("tcp port 104 and (host 10.0.0.7 or 10.0.0.256)", nil)
	var e *filter.Error
	if errors.As(err, &e) {
		fmt.Println(e)
		fmt.Println(e.Caret())
	}
	// Output:
	// filter: "10.0.0.256" is no IPv4 address: each part is at most 255 at "10.0.0.256"
	// tcp port 104 and (host 10.0.0.7 or 10.0.0.256)
	//                                    ^^^^^^^^^^
}

func ExampleProgram_Dump() {
	p, err := filter.Compile("arp", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p.Dump(filter.Text))
	fmt.Print(p.Dump(filter.C))
	fmt.Print(p.Dump(filter.Decimal))
	// Output:
	// (000) ldh      [12]
	// (001) jeq      #0x806           jt 2	jf 3
	// (002) ret      #262144
	// (003) ret      #0
	// { 0x28, 0, 0, 0x0000000c },
	// { 0x15, 0, 1, 0x00000806 },
	// { 0x6, 0, 0, 0x00040000 },
	// { 0x6, 0, 0, 0x00000000 },
	// 4
	// 40 0 0 12
	// 21 0 1 2054
	// 6 0 0 262144
	// 6 0 0 0
}
