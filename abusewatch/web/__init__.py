"""Pages for people who have a link: the customer's page of his case. No scripts, no cookies, nothing from elsewhere."""

from abusewatch.web.customer import CustomerPage

__all__ = ["CustomerPage"]
