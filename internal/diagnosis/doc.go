// Package diagnosis says what went on between DICOM applications, out of the packets of
// captures: associations, what was done in them and how long it took, connections that
// became none, and findings: what is wrong, in plain words, with the likely cause.
//
//	a := diagnosis.New(&diagnosis.Config{Operations: true})
//	f := a.File("capture.pcapng")
//	for … {
//		a.Add(f, packet) // in the order of time; files may alternate
//	}
//	report := a.Close()
//
// A report has all associations, and each operation of them if Config.Operations asks for
// it. Who can't keep that, for the captures are those of months or go on, takes what has
// ended as it ends:
//
//	cfg := &diagnosis.Config{}
//	cfg.Live(func(e *diagnosis.Entry) { … })
//	a := diagnosis.New(cfg)
//	…
//	a.Waited(time.Second) // while nothing comes
//
// TCP is followed by internal/tcp, the protocol is read by internal/dicom; what is here is
// the sense of it. Ports tell nothing: a stream is DICOM by what it says. Where there is
// no association ports do tell, and whether DICOM was spoken at that place at another time.
//
// Data sets are patients' and never looked at. Instance UIDs are kept only if they are
// asked for; of names and passcodes of users there is nothing but that they are sent.
//
// Where the capture lacks something, numbers are least numbers, and marked so; nothing is
// said of the network then.
package diagnosis
