package dicom_test

import (
	"fmt"

	"netcap/internal/dicom"
)

// recorder keeps what a decoder tells, as text. Parts of a data set and lost bytes that
// follow one another are put together, since segments have no say in what they amount to.
type recorder struct {
	events     []string
	associates []*dicom.Associate
	commands   []*dicom.Command
	dataSets   []int64 // bytes behind each command
	counts     map[dicom.PDUType]int

	open    dicom.Part // not yet told
	pending bool
	lost    int64

	dataSet, missing, allLost int64 // bytes altogether
}

func (r *recorder) tell(format string, args ...any) {
	r.flush()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) flush() {
	if r.pending {
		text := fmt.Sprintf("data set of context %d, %d bytes", r.open.Context, r.open.Bytes)
		if r.open.Missing {
			text += ", some missing"
		}
		if r.open.Last {
			text += ", last"
		}
		r.events = append(r.events, text)
		r.open, r.pending = dicom.Part{}, false
	}
	if r.lost > 0 {
		r.events = append(r.events, fmt.Sprintf("%d bytes lost", r.lost))
		r.lost = 0
	}
}

func (r *recorder) count(t dicom.PDUType) {
	if r.counts == nil {
		r.counts = make(map[dicom.PDUType]int)
	}
	r.counts[t]++
}

func (r *recorder) Begin() { r.tell("begin") }

func (r *recorder) Associate(a *dicom.Associate) {
	kind := dicom.PDUAssociateRQ
	if a.Response {
		kind = dicom.PDUAssociateAC
	}
	r.count(kind)
	r.associates = append(r.associates, a)
	r.tell("%v %+v", kind, *a)
}

func (r *recorder) Reject(j dicom.Reject) {
	r.count(dicom.PDUAssociateRJ)
	r.tell("A-ASSOCIATE-RJ %v, %v, %s, %v", j.Result, j.Source, j.ReasonText(), j.Truncated)
}

func (r *recorder) ReleaseRQ() {
	r.count(dicom.PDUReleaseRQ)
	r.tell("A-RELEASE-RQ")
}

func (r *recorder) ReleaseRP() {
	r.count(dicom.PDUReleaseRP)
	r.tell("A-RELEASE-RP")
}

func (r *recorder) Abort(a dicom.Abort) {
	r.count(dicom.PDUAbort)
	r.tell("A-ABORT %v, %v, %v", a.Source, a.Reason, a.Truncated)
}

func (r *recorder) PData(length uint32) {
	r.count(dicom.PDUData)
	r.tell("P-DATA-TF of %d", length)
}

func (r *recorder) Command(c *dicom.Command) {
	r.commands = append(r.commands, c)
	r.dataSets = append(r.dataSets, 0)
	r.tell("%v %+v", c.Field, *c)
}

func (r *recorder) DataSet(p dicom.Part) {
	if r.lost > 0 {
		r.flush()
	}
	if r.pending && r.open.Context != p.Context {
		r.flush()
	}
	r.pending = true
	r.open.Context = p.Context
	r.open.Bytes += p.Bytes
	r.open.Missing = r.open.Missing || p.Missing
	r.open.Last = p.Last
	r.dataSet += p.Bytes
	if n := len(r.dataSets); n > 0 {
		r.dataSets[n-1] += p.Bytes
	}
	if p.Missing {
		r.missing += p.Bytes
	}
	if p.Last {
		r.flush()
	}
}

func (r *recorder) Lost(n int64) {
	if r.pending {
		r.flush()
	}
	r.lost += n
	r.allLost += n
}

func (r *recorder) Broken(f dicom.Fault, at int64) { r.tell("broken at %d: %v", at, f) }
