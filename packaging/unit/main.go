// Unit prints the template unit of the packages.
package main

import (
	"fmt"
	"log"

	"netcap/internal/service"
)

func main() {
	text, err := service.Template("/usr/bin/netcap")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
}
