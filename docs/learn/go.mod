module headgate/learn

go 1.19
