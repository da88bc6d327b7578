class Log
{
    public void Write(string text)
    {
        writer.WriteLine(text);
    }

    public void Close()
    {
        writer.Dispose();
    }
}
