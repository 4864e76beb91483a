package diagnosis

// What an analysis keeps of associations, open and reported, in bytes: made-up traffic doesn't
// get more. Beyond, findings are still found, and what isn't kept is counted.
const mostWeight = 64 << 20

// About what they take, in bytes.
const (
	associationWeight = 1600
	operationWeight   = 400
	contextWeight     = 150
	textWeight        = 16 // beside the text
)

// keep reports whether there is room for so much, and takes it.
func (a *Analysis) keep(bytes int64) bool {
	if a.weight+bytes > mostWeight {
		return false
	}
	a.weight += bytes
	return true
}

// kept reports whether there is room for an association that has ended.
func (as *association) kept() bool {
	if !as.talk.analysis.keep(associationWeight) {
		return false
	}
	as.weight += associationWeight
	return true
}

// weigh sees that there is room for the presentation contexts, and leaves them out if there
// isn't: those that others have too take nothing.
func (as *association) weigh(shared bool) {
	a := as.talk.analysis
	weight := int64(0)
	for _, c := range as.Contexts {
		weight += contextWeight + textWeight + int64(len(c.AbstractSyntax))
		for _, uid := range c.TransferSyntaxes {
			weight += textWeight + int64(len(uid))
		}
	}
	if shared {
		weight = 0
	}
	a.weight -= as.contexts
	as.weight -= as.contexts
	as.contexts = 0
	if !a.keep(weight) {
		as.Contexts, as.bare = []Context{}, true
		a.report.Omitted.Contexts++
		return
	}
	as.contexts = weight
	as.weight += weight
}
