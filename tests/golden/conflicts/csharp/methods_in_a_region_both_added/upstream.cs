class Meter
{
    #region Reading

    int Read() => port.Read();

    bool Ready() => port.IsOpen;

    #endregion
}
