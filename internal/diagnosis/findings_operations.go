package diagnosis

import (
	"fmt"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// operations finds operations that failed, or succeeded with a warning.
func (j *judge) operations() {
	for _, f := range j.as.tally.failures {
		id, severity := "dimse-failure", Problem
		if f.operation.status.Category() == dicom.CategoryWarning {
			id, severity = "dimse-warning", Warning
		}
		what, first := f.what, f.operation
		j.found(occurrence{
			id: id, severity: severity, count: f.count, when: first.when(), last: f.last, packets: f.packets,
			what: what, cause: j.statusCause(first), more: j.statusMore(first),
			amounts: amounts{float64(f.suboperation)},
			text: func(_ int64, total amounts) string {
				if total[0] > 0 {
					return fmt.Sprintf("%s; %.0f sub-operations failed", what, total[0])
				}
				return what
			},
		})
	}
}

// statusCause is what is likely behind a status.
func (j *judge) statusCause(o *operation) string {
	retrieve := o.field == dicom.CMoveRQ || o.field == dicom.CGetRQ
	switch s := o.status; {
	case s == dicom.UnknownDestination && retrieve:
		return fmt.Sprintf("The server doesn't know the destination %q: add this AE title (they are case-sensitive), its address and port to the server's table.", o.Destination)
	case s == dicom.NoSuboperations && retrieve:
		return "The server can't reach the destination, or is refused there: look for its connection to it."
	case s == 0xb000 && retrieve:
		return "Some objects did not arrive at the destination: look at the associations that the server opened to it."
	case s>>8 == 0xa7 && o.field == dicom.CStoreRQ:
		return "Mostly the server's disk is full, or it may not write there."
	case s>>8 == 0xa7:
		return "The server lacks memory, disk or sessions, or the query matches too much."
	case s>>8 == 0xa9:
		return "The data set is not what its SOP class says: an object that was converted or edited wrongly, or a server stricter than the client."
	case s == 0x0122 || s == 0x0118:
		return "The server doesn't do this for objects of this kind: enable the SOP class there."
	case s == 0x0124:
		return "The server's rules forbid this caller the operation."
	case s == 0x0111:
		return "The server has this object already, and refuses another copy."
	case s == 0x0110:
		return "The server failed inside: its log says why."
	case s == 0x0112:
		return "The server hasn't got the object that is asked for."
	case s>>12 == 0xc && o.field == dicom.CStoreRQ:
		return "The server can't read the data set: a damaged object, an encoding that it doesn't know, or a value that it rejects. Its log says which."
	case s == 0xb000 && o.field == dicom.CStoreRQ:
		return "The server stored the object with changed values, as it is configured to."
	case s.Category() == dicom.CategoryWarning:
		return "The operation was done, but not quite as asked: the server's log says more."
	}
	return "The server's log says why."
}

// statusMore names the failed connection that is behind a C-MOVE that failed.
func (j *judge) statusMore(o *operation) func() string {
	if o.field != dicom.CMoveRQ || o.status == dicom.UnknownDestination {
		return nil
	}
	a, server := j.analysis, j.as.talk.tcp.Addr(tcp.Server).Addr()
	from, to := o.begun, j.as.talk.tcp.Last
	return func() string { return a.servers.attempt(server, from, to) }
}
