module github.com/fertig-project/fertig/shared

go 1.26.0
