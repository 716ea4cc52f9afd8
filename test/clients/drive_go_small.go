// Drives evhookd with the client of oapi-codegen.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"example.com/app/evhook"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must(holds bool, what string) {
	if !holds {
		log.Fatal("not so: ", what)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	ctx, tenant, yes := context.Background(), os.Getenv("TENANT"), true
	client, err := evhook.NewClientWithResponses(os.Getenv("URL"),
		evhook.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
			return nil
		}))
	check(err)
	made, err := client.CreateWebhookWithResponse(ctx, tenant, nil, evhook.CreateWebhookRequest{
		Name: "small", Enabled: true, EventTypes: []string{"order.*"},
		Endpoint:        evhook.CreateEndpointRequest{Url: os.Getenv("ENDPOINT")},
		FailureHandling: &evhook.FailureHandlingCreateRequest{Divert: &yes},
	})
	check(err)
	must(made.JSON200 != nil, string(made.Body))
	hook, name := made.JSON200.Locator, "small"
	listed, err := client.FetchWebhooksWithResponse(ctx, tenant, &evhook.FetchWebhooksParams{Name: &name})
	check(err)
	must(len(listed.JSON200.Items) == 1 && listed.JSON200.Items[0].Locator == hook, "the list has it")
	changed, err := client.UpdateWebhookWithResponse(ctx, tenant, hook, nil,
		evhook.UpdateWebhookRequest{AddEventTypes: &[]string{"x"}})
	check(err)
	must(changed.JSON200 != nil && changed.JSON200.Version == 2, "it is updated")

	one := evhook.EventRequest{Type: "order.paid", Data: evhook.EventData{"order": 1042}}
	var body evhook.PublishRequest
	check(body.FromEventRequest(one))
	answer, err := client.PublishEventsWithResponse(ctx, tenant, nil, body)
	check(err)
	must(answer.JSON201 != nil, string(answer.Body))
	stored, err := answer.JSON201.AsPublishedEvent()
	check(err)
	check(body.FromPublishRequest1([]evhook.EventOfManyRequest{one, one}))
	answer, err = client.PublishEventsWithResponse(ctx, tenant, nil, body)
	check(err)
	several, err := answer.JSON201.AsPublishEvents201JSONResponseBody1()
	check(err)
	must(len(several) == 2, "two for two")
	since := time.Now().Add(-5 * time.Minute)
	page, err := client.FetchMultipleEventsWithResponse(ctx, tenant,
		&evhook.FetchMultipleEventsParams{StartTimestamp: &since})
	check(err)
	must(page.JSON200 != nil && len(page.JSON200.Events) >= 3, string(page.Body))

	until := time.Now().Add(30 * time.Second)
	for n := 0; n < 3; {
		list, err := client.FetchMultipleDivertedEventsWithResponse(ctx, tenant, hook, nil)
		check(err)
		n = len(*list.JSON200)
		must(time.Now().Before(until), "they are diverted")
	}
	kept, err := client.FetchDivertedEventWithResponse(ctx, tenant, hook, stored.Locator, nil)
	check(err)
	must(kept.JSON200.Event.Data["order"] == 1042.0, "it is kept with its event")
	again, err := client.ResendDivertedEventWithResponse(ctx, tenant, hook, stored.Locator, nil)
	check(err)
	must(again.StatusCode() == 200, "it is sent again")
	gone, err := client.DeleteWebhookWithResponse(ctx, tenant, hook, nil)
	check(err)
	must(gone.StatusCode() == 204, "it is deleted")
	missing, err := client.FetchWebhookWithResponse(ctx, tenant, hook, nil)
	check(err)
	must(missing.ApplicationproblemJSON404 != nil && missing.ApplicationproblemJSON404.Status == 404,
		"a problem says so")
}
