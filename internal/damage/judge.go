package damage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"netcap/pcapfile"
)

// Judgement is what there is to say about a capture.
type Judgement struct {
	Packets int64 // whole ones before the first damage
	End     int64 // of these, in the file
	Reason  error // what is wrong there; nil if the capture is whole

	// Following are the whole packets behind the first damage, those of other captures and of
	// interfaces that are described nowhere included, At is where they begin.
	Following, At int64
	// Of the first of them.
	Format    pcapfile.Format
	BigEndian bool
	// Captures are how many others begin within the file.
	Captures int64
}

// Judge reads the first size bytes of a capture. Those of its packets that can be read with
// trust end at Judgement.End. The error is pcapfile.ErrFormat if it doesn't begin as a capture,
// or one of the io.ReaderAt.
func Judge(r io.ReaderAt, size int64) (*Judgement, error) {
	w := NewWalk(r, size)
	j := &Judgement{}
	for n := 0; ; n++ {
		p, err := w.Next()
		if errors.Is(err, io.EOF) {
			j.Following += w.Unknown()
			if n == 0 {
				return nil, pcapfile.ErrFormat
			}
			if j.At == 0 {
				j.At = w.unknownAt
			}
			return j, nil
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if p.Offset > 0 {
				return nil, pcapfile.ErrFormat
			}
			j.Packets, j.End, j.Reason = p.Packets, p.End, p.Reason
			continue
		}
		if p.Unknown > 0 && j.At == 0 {
			j.At = w.unknownAt
		}
		j.Following += p.Packets + p.Unknown
		if p.Packets > 0 && j.Format == 0 {
			j.Format, j.BigEndian = p.Format, p.ByteOrder == binary.BigEndian
			if j.At == 0 {
				j.At = p.Offset
			}
		}
		if p.Begins {
			j.Captures++
		}
	}
}

// JudgeFile judges the file at a path, which is a plain one, not compressed.
func JudgeFile(path string) (*Judgement, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	return Judge(f, st.Size())
}

// String says how many whole packets follow, and where; "" if none do.
func (j *Judgement) String() string {
	if j.Following == 0 {
		return ""
	}
	text := fmt.Sprintf("whole packets follow at offset %d (%d of them", j.At, j.Following)
	if j.Format != 0 {
		order := "little-endian"
		if j.BigEndian {
			order = "big-endian"
		}
		text += fmt.Sprintf(", %v, %s", j.Format, order)
	}
	return text + ")"
}
