module github.com/fertig-project/fertig/services/dispatcher

go 1.26.0

require github.com/fertig-project/fertig/shared v0.0.0

replace github.com/fertig-project/fertig/shared => ../../shared
