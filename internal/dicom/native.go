package dicom

// Transfer syntaxes of data sets that aren't compressed, PS3.5 annex A.
const (
	ImplicitLittleEndian = "1.2.840.10008.1.2"
	ExplicitLittleEndian = "1.2.840.10008.1.2.1"
	ExplicitBigEndian    = "1.2.840.10008.1.2.2"
)
