package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"netcap/pcapfile"
)

// A capture of two packets, written and read again.
func Example() {
	var b []byte
	b = pcapfile.AppendSection(b, &pcapfile.Section{Application: "example"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{
		Name: "eth0", LinkType: pcapfile.LinkTypeEthernet, SnapLen: 262144,
	})
	b = pcapfile.AppendPacket(b, 0, 1_700_000_000_000_000_001, []byte("a frame"), 7, pcapfile.FlagInbound)
	b = pcapfile.AppendPacket(b, 0, 1_700_000_000_000_000_002, []byte("beginning"), 1514, 0)
	b = pcapfile.AppendStatistics(b, 0, 1_700_000_001_000_000_000, &pcapfile.Statistics{
		Received: pcapfile.Count(3), DroppedByOS: pcapfile.Count(1),
	})

	r, err := pcapfile.NewReader(bytes.NewReader(b))
	if err != nil {
		log.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err) // says where the file is damaged; r.Offset() bytes are good
		}
		fmt.Printf("%s %s: %q of %d bytes\n", p.Time.Format("15:04:05.000000000"), p.Interface.Name, p.Data, p.Length)
	}
	for _, s := range r.Statistics() {
		fmt.Printf("%s: %d received, %d dropped\n", s.Interface.Name, s.Received.Value, s.DroppedByOS.Value)
	}
	// Output:
	// 22:13:20.000000001 eth0: "a frame" of 7 bytes
	// 22:13:20.000000002 eth0: "beginning" of 1514 bytes
	// eth0: 3 received, 1 dropped
}
