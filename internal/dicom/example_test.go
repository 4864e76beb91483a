package dicom_test

import (
	"fmt"

	"netcap/internal/dicom"
)

// statuses prints what responses say, and leaves the rest to discard.
type statuses struct{ discard }

func (statuses) Command(c *dicom.Command) {
	if c.Field.IsResponse() {
		fmt.Println(c.Field, c.RespondedTo, c.Status, c.Status.Text(c.Field), dicom.UIDName(c.AffectedSOPClass))
	}
}

func Example() {
	// A C-STORE-RSP, as dcmtk sends it: the headers first, then the command set.
	segments := []string{
		"\x04\x00\x00\x00\x00\x5c\x00\x00\x00\x58\x01\x03",
		"\x00\x00\x00\x00\x04\x00\x00\x00\x4a\x00\x00\x00" +
			"\x00\x00\x02\x00\x1a\x00\x00\x001.2.840.10008.5.1.4.1.1.2\x00" +
			"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x80" +
			"\x00\x00\x20\x01\x02\x00\x00\x00\x07\x00" +
			"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" +
			"\x00\x00\x00\x09\x02\x00\x00\x00\x00\xa7",
	}
	d := dicom.New(statuses{})
	for _, s := range segments {
		d.Write([]byte(s))
	}
	d.Close()
	// Output: C-STORE-RSP 7 A700 Out of resources CT Image Storage
}
