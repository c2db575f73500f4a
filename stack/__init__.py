"""What a stack file says, what it means, and the plan that follows from it.

    Pulumi.<stack>.yaml --load--> config.Stack --plan--> Plan --> components --> outputs

Each arrow fails in one way: shape (pydantic), meaning (`StackError`), cluster (Pulumi).
Only `load` knows Pulumi; the rest is plain data and plain functions.
"""
