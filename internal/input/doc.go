// Package input opens captures for reading: files, standard input, whole directories,
// compressed or not, one or thousands of them in the order of time, finished or still
// being written.
//
//	s := input.NewStream([]string{"one.pcapng", "two.pcap.gz"}, nil)
//	defer s.Close()
//	for {
//		p, f, err := s.Next()
//		if errors.Is(err, io.EOF) {
//			break
//		}
//		if err != nil {
//			log.Print(err) // about one file: the others go on
//			continue
//		}
//		fmt.Println(f.Path, p.Time, p.Length)
//	}
//
// Compression is told by content, never by a name. What hostile files ask for is bounded:
// a window or dictionary of more than 128 MiB is refused, with the reason, and so are large
// ones that files of a Stream, open at the same time, claim together.
package input
