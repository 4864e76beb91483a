package rotate_test

import (
	"fmt"
	"log"
	"os"

	"netcap/capture"
	"netcap/capture/capturetest"
	"netcap/pcapfile"
	"netcap/rotate"
)

// A capture into a set of files: each packet is copied once, from the ring into the buffer that is
// written. An interface in memory stands for one that capture.Open opens.
func Example() {
	handle, wire, err := capturetest.Open(&capture.Config{Interface: "eth0"}, capturetest.Options{})
	must(err)
	dir, err := os.MkdirTemp("", "example-")
	must(err)
	defer os.RemoveAll(dir)
	files, err := rotate.Open(&rotate.Config{
		Dir: dir, Name: "eth0", Ext: ".pcapng", Budget: rotate.Amount{Bytes: 1 << 30}, KeepFree: rotate.Amount{Bytes: 1},
		Header: func(dst []byte, _ bool) []byte {
			dst = pcapfile.AppendSection(dst, &pcapfile.Section{Application: "example"})
			return pcapfile.AppendInterface(dst, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet, SnapLen: capture.MaxSnapLen})
		},
		Trailer:    func(dst []byte) []byte { return dst },
		CutTrailer: func(dst []byte) []byte { return dst },
		Records:    func(p []byte) (n, packets int) { return pcapfile.Whole(pcapfile.PCAPNG, p) },
	})
	must(err)

	wire.Send(capturetest.Frame{Data: make([]byte, 60)}, capturetest.Frame{Data: make([]byte, 1514)})
	must(handle.Stop()) // what was received is still handed out
	for batch, err := handle.Next(); err == nil; batch, err = handle.Next() {
		room, err := files.Ready()
		must(err)
		for p := (capture.Packet{}); batch.Next(&p); {
			switch {
			case !room:
				files.Discard(1)
				continue
			case !files.Fits(pcapfile.PacketSize(len(p.Data), 0), p.Time):
				must(files.Rotate(p.Time))
			}
			files.Commit(pcapfile.AppendPacket(files.Tail(), 0, p.Time, p.Data, uint32(p.Length), 0), 1)
		}
		batch.Release()
		files.Publish(0)
	}
	must(files.Close())
	must(handle.Close())
	s := files.Stats()
	fmt.Printf("%d file, %d packets, %d dropped\n", s.Files, s.Written, s.Dropped)
	// Output: 1 file, 2 packets, 0 dropped
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
